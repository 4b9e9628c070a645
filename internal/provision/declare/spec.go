// Package declare says, as data, what Tintype stands on in AWS: buckets, topics, queues,
// what is configured on each, the policies that let them reach each other, and what each
// role may do.
//
// It is the one declaration. provision brings an account to it, doctor compares an
// account with it, and the templates are written from it. It is pure: no SDK, no input
// or output, and it imports nothing of ours.
package declare

import (
	"fmt"
	"strings"
)

// MaxReceiveCount is how often a message is received before it goes to the
// dead-letter queue.
const MaxReceiveCount = 5

// Spec names what is wanted.
type Spec struct {
	Partition string // of the ARNs: "aws", "aws-cn", "aws-us-gov"; empty: "aws"
	Region    string
	Account   string // twelve digits

	UploadsBucket   string
	ResultsBucket   string
	Queue           string
	DeadLetterQueue string
	UploadTopic     string
	CompletionTopic string
	Origins         []string // of the page; the buckets' CORS rules let them in
	Emails          []string // subscribed to both topics

	// KMSKey is the ARN of the key that buckets, topics and queues are encrypted with.
	// Empty: with keys that S3 and SQS manage, and SNS keeps nothing encrypted.
	KMSKey string
	// QueueVisibility is the work queue's VisibilityTimeout in seconds. Empty: as it is, which is
	// AWS's 30 where nobody has changed it. Functions need six times their own timeout.
	QueueVisibility string
	// PlainHTTP says that the services are reached without TLS, as those of one machine
	// are: then nothing demands it.
	PlainHTTP bool
	Tags      map[string]string // besides our own
}

// Tag is on everything that can carry one, so that a bill and a clean-up can tell.
const (
	TagKey   = "application"
	TagValue = "tintype"
)

func (s Spec) tags() map[string]string {
	out := map[string]string{TagKey: TagValue}
	for k, v := range s.Tags {
		out[k] = v
	}
	return out
}

func (s Spec) arn(service, region, account, resource string) string {
	part := s.Partition
	if part == "" {
		part = "aws"
	}
	return strings.Join([]string{"arn", part, service, region, account, resource}, ":")
}

// BucketARN is the ARN of a bucket by its name.
func (s Spec) BucketARN(name string) string { return s.arn("s3", "", "", name) }

// TopicARN is the ARN of a topic by its name.
func (s Spec) TopicARN(name string) string { return s.arn("sns", s.Region, s.Account, name) }

// QueueARN is the ARN of a queue by its name.
func (s Spec) QueueARN(name string) string { return s.arn("sqs", s.Region, s.Account, name) }

// redrivePolicy is the queue attribute of that name.
func (s Spec) redrivePolicy() string {
	return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, s.QueueARN(s.DeadLetterQueue), MaxReceiveCount)
}

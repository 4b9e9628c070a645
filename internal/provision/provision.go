// Package provision declares the AWS resources that Tintype stands on and brings an
// account to that state: two buckets, two topics with policies, a queue with its
// dead-letter queue, the subscriptions and the bucket's event notification.
//
// It speaks S3, SNS and SQS through the SDK and nothing else, so that it does the
// same on AWS and on the embedded endpoint. Of ours it imports only internal/fault
// and internal/outage.
package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/outage"
)

// MaxReceiveCount is how often a message is received before it goes to the
// dead-letter queue.
const MaxReceiveCount = 5

// Spec names what is wanted.
type Spec struct {
	Region          string
	UploadsBucket   string
	ResultsBucket   string
	Queue           string
	DeadLetterQueue string
	UploadTopic     string
	CompletionTopic string
	Origins         []string // of the page; the buckets' CORS rules let them in
	Emails          []string // subscribed to both topics
}

// Clients reach the three services.
type Clients struct {
	S3  *s3.Client
	SNS *sns.Client
	SQS *sqs.Client
}

// Action is what was done about a resource.
type Action string

// What can be done about a resource.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Unchanged Action = "unchanged"
	Requested Action = "confirmation requested" // an email subscription waits for its owner's click
)

// Change is one resource and what was done about it.
type Change struct {
	Resource string `json:"resource"` // "bucket tintype-uploads"
	Action   Action `json:"action"`
}

// Resources is where everything is.
type Resources struct {
	Account            string `json:"account"`
	QueueURL           string `json:"queueUrl"`
	QueueARN           string `json:"queueArn"`
	DeadLetterQueueURL string `json:"deadLetterQueueUrl"`
	DeadLetterQueueARN string `json:"deadLetterQueueArn"`
	UploadTopicARN     string `json:"uploadTopicArn"`
	CompletionTopicARN string `json:"completionTopicArn"`
}

// ensurer carries one run of Ensure.
type ensurer struct {
	Clients
	spec    Spec
	res     Resources
	part    string // the ARNs' partition: "aws", "aws-cn", "aws-us-gov"
	changes []Change
}

func (e *ensurer) did(action Action, format string, args ...any) {
	e.changes = append(e.changes, Change{Resource: fmt.Sprintf(format, args...), Action: action})
}

// Ensure brings the account to the state that spec declares and says what it
// changed. It is idempotent: a second run changes nothing, an interrupted one is
// completed by the next, and what somebody changed by hand is put right. Errors are
// *fault.Error with a hint.
func Ensure(ctx context.Context, c Clients, spec Spec) (Resources, []Change, error) {
	e := &ensurer{Clients: c, spec: spec}
	for _, step := range []struct {
		op string
		do func(context.Context) error
	}{
		// Each step stands on those before it: policies name ARNs, and S3 refuses a
		// notification to a topic whose policy does not let it publish.
		{"dead-letter queue " + spec.DeadLetterQueue, e.deadLetterQueue},
		{"queue " + spec.Queue, e.queue},
		{"bucket " + spec.UploadsBucket, func(ctx context.Context) error { return e.bucket(ctx, spec.UploadsBucket) }},
		{"bucket " + spec.ResultsBucket, func(ctx context.Context) error { return e.bucket(ctx, spec.ResultsBucket) }},
		{"topic " + spec.UploadTopic, e.uploadTopic},
		{"topic " + spec.CompletionTopic, e.completionTopic},
		{"policy of queue " + spec.Queue, e.queuePolicy},
		{"subscription of " + spec.Queue + " to " + spec.UploadTopic, e.subscribeQueue},
		{"event notification of bucket " + spec.UploadsBucket, e.notification},
		{"email subscriptions", e.emails},
	} {
		if err := step.do(ctx); err != nil {
			return e.res, e.changes, explain("provision "+step.op, err)
		}
	}
	return e.res, e.changes, nil
}

// EnsureBuckets brings both buckets of spec into being and lets the page's origins in: all
// that the coupled pair of tiers stands on. There is no event notification on them.
func EnsureBuckets(ctx context.Context, c Clients, spec Spec) ([]Change, error) {
	e := &ensurer{Clients: c, spec: spec}
	for _, name := range []string{spec.UploadsBucket, spec.ResultsBucket} {
		if err := e.bucket(ctx, name); err != nil {
			return e.changes, explain("provision bucket "+name, err)
		}
	}
	return e.changes, nil
}

// Find looks up what Ensure made, changing nothing; the dead-letter queue's fields are
// empty where there is none. It needs only sqs:GetQueueUrl
// and sqs:GetQueueAttributes: the topics' ARNs follow from the queue's.
func Find(ctx context.Context, c Clients, spec Spec) (Resources, error) {
	e := &ensurer{Clients: c, spec: spec}
	op := "find queue " + spec.Queue
	url, arnText, err := e.findQueue(ctx, spec.Queue)
	if err != nil {
		return Resources{}, explain(op, err)
	}
	if err := e.account(arnText); err != nil {
		return Resources{}, explain(op, err)
	}
	e.res.QueueURL, e.res.QueueARN = url, arnText
	// A queue set up by hand may have no dead-letter queue; the tiers work without.
	var missing *types.QueueDoesNotExist
	e.res.DeadLetterQueueURL, e.res.DeadLetterQueueARN, err = e.findQueue(ctx, spec.DeadLetterQueue)
	if err != nil && !errors.As(err, &missing) {
		return Resources{}, explain("find queue "+spec.DeadLetterQueue, err)
	}
	e.res.UploadTopicARN = e.topicARN(spec.UploadTopic)
	e.res.CompletionTopicARN = e.topicARN(spec.CompletionTopic)
	return e.res, nil
}

// account learns account and partition from an ARN, which saves a call to STS and
// the permission for it.
func (e *ensurer) account(text string) error {
	a, err := arn.Parse(text)
	if err != nil {
		return fmt.Errorf("the service answered the ARN %q: %w", text, err)
	}
	e.res.Account, e.part = a.AccountID, a.Partition
	if e.spec.Region == "" {
		e.spec.Region = a.Region
	}
	return nil
}

func (e *ensurer) topicARN(name string) string {
	return arn.ARN{Partition: e.part, Service: "sns", Region: e.spec.Region, AccountID: e.res.Account, Resource: name}.String()
}

func (e *ensurer) bucketARN(name string) string {
	return arn.ARN{Partition: e.part, Service: "s3", Resource: name}.String()
}

// explain turns a service's error into a fault with a hint for the mistakes people make.
func explain(op string, err error) error {
	if err == nil {
		return nil
	}
	f := &fault.Error{Op: op, Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: "refused", Err: err}
	var ae smithy.APIError
	if !errors.As(err, &ae) || outage.Of(err).Load() {
		f.Kind, f.Message = fault.Retry, "no answer"
		f.Hint = "check the endpoint (AWS_ENDPOINT_URL or --endpoint-url), the region and the credentials"
		return f
	}
	code := ae.ErrorCode()
	switch {
	case code == "BucketAlreadyExists":
		f.Hint = "bucket names are global and somebody has this one: choose your own with --name-prefix"
	case strings.HasSuffix(code, "NonExistentQueue") || code == "QueueDoesNotExist":
		f.Hint = "run `tintype provision` first"
	case strings.Contains(code, "AccessDenied") || strings.Contains(code, "AuthorizationError"):
		f.Hint = "these credentials may not do that: use an administrator's, or ask for the permission named above"
	case code == "InvalidClientTokenId" || code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "ExpiredToken":
		f.Hint = "the credentials are wrong or expired for this endpoint: check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case strings.Contains(code, "QueueDeletedRecently"):
		f.Kind, f.Hint = fault.Retry, "AWS wants 60 seconds between deleting a queue and creating it again: wait and repeat"
	}
	return f
}

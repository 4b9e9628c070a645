// Package provision brings an account to the state that package declare declares: two
// buckets, two topics and a queue with its dead-letter queue, what is configured on them,
// the subscriptions and the bucket's event notification.
//
// It speaks S3, SNS and SQS through the SDK and nothing else, so that it does the
// same on AWS and on the embedded endpoint. Of ours it imports only internal/fault
// and internal/outage, and what is below it.
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
	"github.com/tintype/tintype/internal/provision/declare"
)

// Spec names what is wanted.
type Spec = declare.Spec

// Clients reach the three services.
type Clients struct {
	S3  *s3.Client
	SNS *sns.Client
	SQS *sqs.Client
}

// Action is what was done about a resource, or would be.
type Action string

// What can be done about a resource.
const (
	Created     Action = "created"
	Updated     Action = "updated"
	Unchanged   Action = "unchanged"
	Deleted     Action = "deleted"
	Kept        Action = "kept"
	Requested   Action = "confirmation requested" // an email subscription waits for its owner's click
	Unsupported Action = "not supported"          // by the endpoint; what else is declared is there
)

// Change is one resource and what was done about it.
type Change struct {
	Resource string `json:"resource"` // "bucket tintype-uploads"
	Action   Action `json:"action"`
	Detail   string `json:"detail,omitempty"` // what of it, or why: "encryption, lifecycle"
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

// ensurer carries one run.
type ensurer struct {
	Clients
	spec  Spec
	stack declare.Stack // once the account is known
	res   Resources
	dry   bool // nothing is changed
	// born are queues that were missing when this run began.
	born    map[string]bool
	changes []Change
}

func (e *ensurer) did(action Action, detail, format string, args ...any) {
	e.changes = append(e.changes, Change{Resource: fmt.Sprintf(format, args...), Action: action, Detail: detail})
}

// step is one part of a run; op says what failed.
type step struct {
	op string
	do func(context.Context) error
}

func (e *ensurer) run(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return explain(s.op, err)
		}
	}
	return nil
}

// Ensure brings the account to the state that spec declares and says what it
// changed. It is idempotent: a second run changes nothing, an interrupted one is
// completed by the next, and what somebody changed by hand is put right. What others
// configured stays. Errors are *fault.Error with a hint.
func Ensure(ctx context.Context, c Clients, spec Spec) (Resources, []Change, error) {
	e := &ensurer{Clients: c, spec: spec}
	err := e.ensure(ctx)
	return e.res, e.changes, err
}

// Check says what Ensure would change, and changes nothing.
func Check(ctx context.Context, c Clients, spec Spec) (Resources, []Change, error) {
	e := &ensurer{Clients: c, spec: spec, dry: true}
	err := e.ensure(ctx)
	return e.res, e.changes, err
}

func (e *ensurer) ensure(ctx context.Context) error {
	if err := e.run(ctx, step{"queue " + e.spec.DeadLetterQueue, e.locate}); err != nil {
		return err
	}
	st := e.stack
	return e.run(ctx,
		// Each step stands on those before it: policies name ARNs, and S3 refuses a
		// notification to a topic whose policy does not let it publish.
		step{"queue " + st.DeadLetterQueue.Name, func(ctx context.Context) error { return e.queue(ctx, st.DeadLetterQueue) }},
		step{"queue " + st.Queue.Name, func(ctx context.Context) error { return e.queue(ctx, st.Queue) }},
		step{"bucket " + st.Uploads.Name, func(ctx context.Context) error { return e.bucket(ctx, st.Uploads) }},
		step{"bucket " + st.Results.Name, func(ctx context.Context) error { return e.bucket(ctx, st.Results) }},
		step{"topic " + st.UploadTopic.Name, func(ctx context.Context) error { return e.topic(ctx, st.UploadTopic) }},
		step{"topic " + st.CompletionTopic.Name, func(ctx context.Context) error { return e.topic(ctx, st.CompletionTopic) }},
		step{"policies of the queues", e.queuePolicies},
		step{"subscriptions", e.subscriptions},
		step{"event notification of bucket " + st.Notification.Bucket, e.notification},
	)
}

// EnsureBuckets brings both buckets of spec into being and lets the page's origins in: all
// that the coupled pair of tiers stands on. There is no event notification on them.
func EnsureBuckets(ctx context.Context, c Clients, spec Spec) ([]Change, error) {
	e := &ensurer{Clients: c, spec: spec, stack: declare.Of(spec)}
	for _, b := range e.stack.Buckets() {
		if err := e.bucket(ctx, b); err != nil {
			return e.changes, explain("bucket "+b.Name, err)
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
	return e.res, nil
}

// account learns account and partition from an ARN, which saves a call to STS and
// the permission for it. From then on everything can be declared.
func (e *ensurer) account(text string) error {
	a, err := arn.Parse(text)
	if err != nil {
		return fmt.Errorf("the service answered the ARN %q: %w", text, err)
	}
	e.spec.Account, e.spec.Partition = a.AccountID, a.Partition
	if e.spec.Region == "" {
		e.spec.Region = a.Region
	}
	e.stack = declare.Of(e.spec)
	e.res.Account = a.AccountID
	e.res.UploadTopicARN, e.res.CompletionTopicARN = e.stack.UploadTopic.ARN, e.stack.CompletionTopic.ARN
	return nil
}

// explain turns a service's error into a fault with a hint for the mistakes people make.
func explain(op string, err error) error {
	if err == nil {
		return nil
	}
	f := &fault.Error{Op: "provision " + op, Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: "refused", Err: err}
	if strings.HasPrefix(op, "find ") || strings.HasPrefix(op, "delete ") {
		f.Op = op
	}
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
	case strings.Contains(code, "KMS") || strings.Contains(err.Error(), unreachableTopic):
		f.Hint = "where a KMS key is used, its policy must let S3 and SNS use it: `tintype provision --template kms` prints the statements"
	}
	return f
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Clients reach the services. STS may be nil: then nobody tells who asks.
type Clients struct {
	S3  *s3.Client
	SNS *sns.Client
	SQS *sqs.Client
	STS *sts.Client
}

// callTimeout bounds one call.
const callTimeout = 15 * time.Second

// looker carries one Look.
type looker struct {
	Clients
	o  Options
	st *State
}

// Look fetches how a deployment stands. It changes nothing, and receives no message: a
// receive counts, and the last one of some makes a dead letter. What could not be fetched
// is in State.Refused.
func Look(ctx context.Context, c Clients, o Options) *State {
	l := &looker{Clients: c, o: o, st: &State{Now: time.Now()}}
	if l.first(ctx) {
		l.queues(ctx)
		l.identity(ctx)
		l.topics(ctx)
		l.bucket(ctx, &l.st.Uploads, o.Uploads)
		l.bucket(ctx, &l.st.Results, o.Results)
		l.webQueues(ctx)
		l.rights(ctx)
	}
	return l.st
}

// first asks for the queue, and finds out whether anybody answers, what time it is there
// and whether the credentials are good.
func (l *looker) first(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var answered *http.Response
	_, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &l.o.Queue}, func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, keepResponse(&answered))
	})
	if answered != nil {
		if at, err := http.ParseTime(answered.Header.Get("Date")); err == nil {
			// The header has whole seconds, cut off.
			l.st.ClockKnown, l.st.Skew = true, time.Since(at).Truncate(time.Second)
		}
	}
	if err == nil {
		return true
	}
	switch c := codeOf(err); {
	case c == "" && answered == nil:
		f := New("endpoint-silent", "endpoint", short(err), "see whether the endpoint is running, and check AWS_ENDPOINT_URL or --endpoint-url, AWS_REGION and the network", "")
		l.st.Fatal = &f
		return false
	case badCredentials(c):
		f := New("credentials-wrong", "credentials", short(err), "check AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; temporary ones end", "")
		l.st.Fatal = &f
		return false
	}
	return true
}

func keepResponse(to **http.Response) func(*smithyMiddlewareStack) error {
	return func(s *smithyMiddlewareStack) error {
		return s.Deserialize.Add(responseKeeper{to}, before)
	}
}

func badCredentials(code string) bool {
	switch code {
	case "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException",
		"InvalidToken", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "RequestTimeTooSkewed", "RequestExpired":
		return true
	}
	return false
}

// try runs one call; action is the permission that it needs. It reports whether the answer
// is there; not is a code that means that nothing is configured.
func (l *looker) try(ctx context.Context, action, resource string, not []string, call func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := call(ctx)
	if err == nil {
		return true
	}
	c := codeOf(err)
	for _, n := range not {
		if c == n {
			return false
		}
	}
	r := Refusal{Action: action, Resource: resource}
	if !denied(err) {
		r.Err = short(err)
	}
	l.st.Refused = append(l.st.Refused, r)
	return false
}

// codeOf is the service's error code, or "".
func codeOf(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// denied reports whether permission was refused.
func denied(err error) bool {
	c := codeOf(err)
	return strings.Contains(c, "AccessDenied") || strings.Contains(c, "AuthorizationError") || c == "Forbidden" || c == "UnauthorizedOperation" || statusOf(err) == http.StatusForbidden
}

// short is an error without the SDK's wrappers, on one line.
func short(err error) string {
	text := err.Error()
	var ae smithy.APIError
	if errors.As(err, &ae) {
		text = ae.ErrorCode()
		if m := ae.ErrorMessage(); m != "" && m != text {
			text += ": " + m
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	return clip(text, 300)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (l *looker) queues(ctx context.Context) {
	l.queue(ctx, &l.st.Queue, l.o.Queue)
	l.queue(ctx, &l.st.DeadLetters, l.o.DeadLetterQueue)
	for _, q := range []*Queue{&l.st.Queue, &l.st.DeadLetters} {
		if a, err := arn.Parse(q.ARN); err == nil {
			l.st.Account, l.st.Partition = a.AccountID, a.Partition
		}
	}
	// Where the redrive policy leads.
	q := &l.st.Queue
	target := redriveOf(q.Attributes).Target
	a, err := arn.Parse(target)
	if err != nil || target == l.st.DeadLetters.ARN {
		return
	}
	l.try(ctx, "sqs:GetQueueUrl", queueName(a.Resource), nil, func(ctx context.Context) error {
		_, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &a.Resource, QueueOwnerAWSAccountId: &a.AccountID})
		if missingQueue(err) {
			q.TargetGone = target
			return nil
		}
		return err
	})
}

func missingQueue(err error) bool {
	var gone *types.QueueDoesNotExist
	c := codeOf(err)
	return errors.As(err, &gone) || strings.HasSuffix(c, "NonExistentQueue") || c == "QueueDoesNotExist"
}

func (l *looker) queue(ctx context.Context, q *Queue, name string) {
	q.Name = name
	l.try(ctx, "sqs:GetQueueUrl", queueName(name), nil, func(ctx context.Context) error {
		u, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		switch {
		case missingQueue(err):
			q.State = Missing
			return nil
		case err == nil:
			q.State, q.URL = There, aws.ToString(u.QueueUrl)
		}
		return err
	})
	switch q.State {
	case There:
		l.try(ctx, "sqs:GetQueueAttributes", queueName(name), nil, func(ctx context.Context) error {
			a, err := l.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.URL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
			if err == nil {
				q.Attributes = a.Attributes
				q.ARN = a.Attributes["QueueArn"]
			}
			return err
		})
		l.try(ctx, "sqs:ListDeadLetterSourceQueues", queueName(name), nil, func(ctx context.Context) error {
			a, err := l.SQS.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &q.URL, MaxResults: aws.Int32(100)})
			if err == nil {
				q.Sources = a.QueueUrls
			}
			return err
		})
	case Missing:
		fifo := name + ".fifo"
		l.try(ctx, "sqs:GetQueueUrl", queueName(fifo), nil, func(ctx context.Context) error {
			_, err := l.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &fifo})
			if err == nil {
				q.FIFO = fifo
			}
			if missingQueue(err) {
				return nil
			}
			return err
		})
	}
}

// identity asks who asks. Endpoints other than AWS need not know.
func (l *looker) identity(ctx context.Context) {
	if l.STS == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	who, err := l.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.RetryMaxAttempts = 1 })
	if err != nil {
		return
	}
	l.st.Identity = aws.ToString(who.Arn)
	if a, err := arn.Parse(l.st.Identity); err == nil && l.st.Account == "" {
		l.st.Account, l.st.Partition = aws.ToString(who.Account), a.Partition
	}
}

func (l *looker) topics(ctx context.Context) {
	l.topic(ctx, &l.st.UploadTopic, l.o.UploadTopic)
	l.topic(ctx, &l.st.CompletionTopic, l.o.CompletionTopic)
}

func (l *looker) topic(ctx context.Context, t *Topic, name string) {
	t.Name = name
	if l.st.Account == "" {
		l.searchTopic(ctx, t)
	} else {
		t.ARN = arn.ARN{Partition: l.st.Partition, Service: "sns", Region: l.o.Region, AccountID: l.st.Account, Resource: name}.String()
	}
	if t.ARN == "" {
		return
	}
	l.try(ctx, "sns:GetTopicAttributes", topicName(name), nil, func(ctx context.Context) error {
		a, err := l.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.ARN})
		switch {
		case err == nil:
			t.State, t.Attributes = There, a.Attributes
		case codeOf(err) == "NotFound" || codeOf(err) == "NotFoundException":
			t.State = Missing
			return nil
		}
		return err
	})
	if t.State == Missing {
		return
	}
	l.try(ctx, "sns:ListSubscriptionsByTopic", topicName(name), nil, func(ctx context.Context) error {
		p := sns.NewListSubscriptionsByTopicPaginator(l.SNS, &sns.ListSubscriptionsByTopicInput{TopicArn: &t.ARN})
		for p.HasMorePages() && len(t.Subs) < 1000 {
			page, err := p.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, s := range page.Subscriptions {
				t.Subs = append(t.Subs, Subscription{ARN: aws.ToString(s.SubscriptionArn), Protocol: aws.ToString(s.Protocol), Endpoint: aws.ToString(s.Endpoint)})
			}
		}
		t.State, t.SubsKnown = There, true
		return nil
	})
	for i := range t.Subs {
		s := &t.Subs[i]
		if s.Protocol != "sqs" || s.Endpoint != l.st.Queue.ARN || !strings.HasPrefix(s.ARN, "arn:") {
			continue
		}
		l.try(ctx, "sns:GetSubscriptionAttributes", "subscription "+s.ARN, nil, func(ctx context.Context) error {
			a, err := l.SNS.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &s.ARN})
			if err == nil {
				s.Attributes = a.Attributes
			}
			return err
		})
	}
}

// searchTopic looks for a topic where nothing has told the account.
func (l *looker) searchTopic(ctx context.Context, t *Topic) {
	l.try(ctx, "sns:ListTopics", topicName(t.Name), nil, func(ctx context.Context) error {
		p := sns.NewListTopicsPaginator(l.SNS, &sns.ListTopicsInput{})
		for pages := 0; p.HasMorePages() && pages < 20; pages++ {
			page, err := p.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, x := range page.Topics {
				a, err := arn.Parse(aws.ToString(x.TopicArn))
				if err != nil {
					continue
				}
				l.st.Account, l.st.Partition = a.AccountID, a.Partition
				if a.Resource == t.Name {
					t.ARN = a.String()
					return nil
				}
			}
		}
		t.State = Missing
		return nil
	})
}

// deadAfter is the age of a heartbeat from which a web instance counts as dead: twice what
// the instances themselves allow each other before they sweep.
const deadAfter = 10 * time.Minute

// heartbeatTag is on the queue of each web instance: Unix seconds.
const heartbeatTag = "tintype-heartbeat"

func (l *looker) webQueues(ctx context.Context) {
	if l.o.WebQueuePrefix == "" || !l.o.Tier.Wants(Web) {
		return
	}
	var urls []string
	l.try(ctx, "sqs:ListQueues", "queues "+l.o.WebQueuePrefix+"*", nil, func(ctx context.Context) error {
		out, err := l.SQS.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &l.o.WebQueuePrefix, MaxResults: aws.Int32(200)})
		if err == nil {
			urls = out.QueueUrls
		}
		return err
	})
	for _, u := range urls {
		name := u[strings.LastIndex(u, "/")+1:]
		l.try(ctx, "sqs:ListQueueTags", queueName(name), nil, func(ctx context.Context) error {
			out, err := l.SQS.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &u})
			if missingQueue(err) {
				return nil // its owner has just stopped
			}
			if err != nil {
				return err
			}
			beat, err := strconv.ParseInt(out.Tags[heartbeatTag], 10, 64)
			if idle := l.st.Now.Sub(time.Unix(beat, 0)); err == nil && idle > deadAfter {
				l.st.WebQueues = append(l.st.WebQueues, WebQueue{Name: name, URL: u, Idle: idle})
			}
			return nil
		})
	}
}

// bucket reads everything about a bucket.
func (l *looker) bucket(ctx context.Context, b *Bucket, name string) {
	b.Name = name
	resource := bucketName(name)
	l.try(ctx, "s3:ListBucket", resource, nil, func(ctx context.Context) error {
		out, err := l.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
		switch status := statusOf(err); {
		case err == nil:
			b.State, b.Region = There, aws.ToString(out.BucketRegion)
		case status == http.StatusNotFound:
			b.State = Missing
			return nil
		case status == http.StatusMovedPermanently || status == http.StatusBadRequest && regionOf(err) != "":
			b.State, b.Region = There, regionOf(err)
			return nil
		case status == http.StatusForbidden:
			b.State = Forbidden
			return nil
		}
		return err
	})
	if b.State == There && (b.Region == "" || b.Region == l.o.Region) {
		l.configured(ctx, b)
	}
}

// regionOf is the region that S3 says a bucket is in, in an answer that refuses.
func regionOf(err error) string {
	var se *smithyhttp.ResponseError
	if errors.As(err, &se) {
		return se.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

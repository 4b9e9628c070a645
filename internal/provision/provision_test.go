package provision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/provision"
)

func clients(endpoint string) provision.Clients {
	c := awstest.Config(endpoint)
	return provision.Clients{
		S3:  s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
		SQS: sqs.NewFromConfig(c), SNS: sns.NewFromConfig(c),
	}
}

func spec() provision.Spec {
	return provision.Spec{
		Region: awstest.Region, UploadsBucket: "tintype-uploads", ResultsBucket: "tintype-results",
		Queue: "ImageApp", DeadLetterQueue: "ImageApp-dlq", UploadTopic: "uploadnotification", CompletionTopic: "processingnotification",
		Origins: []string{"http://127.0.0.1:8007", "http://localhost:8007"},
	}
}

func ensure(t *testing.T, c provision.Clients, s provision.Spec) (provision.Resources, map[string]provision.Action) {
	t.Helper()
	res, changes, err := provision.Ensure(t.Context(), c, s)
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
	actions := map[string]provision.Action{}
	for _, ch := range changes {
		actions[ch.Resource] = ch.Action
	}
	return res, actions
}

func all(t *testing.T, actions map[string]provision.Action, want provision.Action, but ...string) {
	t.Helper()
next:
	for resource, got := range actions {
		for _, b := range but {
			if strings.HasPrefix(resource, b) {
				if got == want {
					t.Errorf("%s: %s, want something done", resource, got)
				}
				continue next
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", resource, got, want)
		}
	}
}

func TestEnsure(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		c := clients(endpoint)
		if _, err := provision.Find(t.Context(), c, spec()); fault.KindOf(err) != fault.Permanent || !strings.Contains(fault.HintOf(err), "tintype provision") {
			t.Errorf("Find before anything is there: %v, hint %q", err, fault.HintOf(err))
		}
		res, actions := ensure(t, c, spec())
		all(t, actions, provision.Created, "policy of queue")
		if len(actions) != 9 {
			t.Errorf("%d resources: %v", len(actions), actions)
		}
		found, err := provision.Find(t.Context(), c, spec())
		if err != nil || found != res {
			t.Errorf("Find: %+v, %v; want %+v", found, err, res)
		}
		again, actions := ensure(t, c, spec())
		all(t, actions, provision.Unchanged)
		if again != res {
			t.Errorf("second run: %+v, want %+v", again, res)
		}
		policies(t, c, res)
		repairs(t, c, res)
		keeps(t, c, res)
		emails(t, c)
	})
}

// policies reads what a topic and a queue let in.
func policies(t *testing.T, c provision.Clients, res provision.Resources) {
	topic, err := c.SNS.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: &res.UploadTopicARN})
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Statement []struct {
			Effect, Action string
			Principal      map[string]string
			Condition      map[string]map[string]string
		}
	}
	if err := json.Unmarshal([]byte(topic.Attributes["Policy"]), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Statement) != 1 || p.Statement[0].Principal["Service"] != "s3.amazonaws.com" ||
		p.Statement[0].Condition["ArnEquals"]["aws:SourceArn"] != "arn:aws:s3:::tintype-uploads" || p.Statement[0].Condition["StringEquals"]["aws:SourceAccount"] != res.Account {
		t.Errorf("the topic lets in %+v", p.Statement)
	}
	queue, err := c.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &res.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(queue.Attributes["Policy"], res.UploadTopicARN) || !strings.Contains(queue.Attributes["RedrivePolicy"], res.DeadLetterQueueARN) {
		t.Errorf("queue: %v", queue.Attributes)
	}
	if v := queue.Attributes["VisibilityTimeout"]; v != "30" {
		t.Errorf("visibility timeout %s, want AWS's default", v)
	}
}

// repairs breaks each resource by hand and has it mended.
func repairs(t *testing.T, c provision.Clients, res provision.Resources) {
	ctx := context.Background()
	for resource, broken := range map[string]func() error{
		"policy of queue": func() error {
			_, err := c.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &res.QueueURL, Attributes: map[string]string{"Policy": ""}})
			return err
		},
		"subscription of queue": func() error {
			subs, err := c.SNS.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &res.UploadTopicARN})
			if err != nil {
				return err
			}
			_, err = c.SNS.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: subs.Subscriptions[0].SubscriptionArn})
			return err
		},
		"event notification": func() error {
			_, err := c.S3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("tintype-uploads"), NotificationConfiguration: &s3types.NotificationConfiguration{}})
			return err
		},
		"topic processingnotification": func() error {
			_, err := c.SNS.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &res.CompletionTopicARN})
			return err
		},
		"bucket tintype-results": func() error {
			_, err := c.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("tintype-results")})
			return err
		},
	} {
		if err := broken(); err != nil {
			t.Errorf("break %s: %v", resource, err)
			continue
		}
		_, actions := ensure(t, c, spec())
		all(t, actions, provision.Unchanged, resource)
		_, actions = ensure(t, c, spec())
		all(t, actions, provision.Unchanged)
	}
}

// keeps checks that what others configured on the bucket stays.
func keeps(t *testing.T, c provision.Clients, res provision.Resources) {
	ctx, bucket := context.Background(), aws.String("tintype-uploads")
	cors, err := c.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	other := s3types.CORSRule{ID: aws.String("theirs"), AllowedOrigins: []string{"https://example.com"}, AllowedMethods: []string{"GET"}}
	if _, err := c.S3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &s3types.CORSConfiguration{CORSRules: append(cors.CORSRules, other)}}); err != nil {
		t.Fatal(err)
	}
	changed := spec()
	changed.Origins = []string{"https://images.example.com"}
	ensure(t, c, changed)
	cors, err = c.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: bucket})
	if err != nil || len(cors.CORSRules) != 2 {
		t.Fatalf("CORS rules: %+v, %v", cors.CORSRules, err)
	}
	text, _ := json.Marshal(cors.CORSRules)
	if s := string(text); !strings.Contains(s, "https://example.com") || !strings.Contains(s, "https://images.example.com") || strings.Contains(s, "localhost") {
		t.Errorf("CORS rules: %s", s)
	}
}

func emails(t *testing.T, c provision.Clients) {
	s := spec()
	s.Emails = []string{"ann@example.com"}
	_, actions := ensure(t, c, s)
	n := 0
	for resource, action := range actions {
		if strings.HasPrefix(resource, "subscription of ann@example.com") {
			n++
			// moto confirms addresses by itself.
			if action != provision.Requested {
				t.Errorf("%s: %s", resource, action)
			}
		}
	}
	if n != 2 {
		t.Errorf("subscribed to %d topics, want 2: %v", n, actions)
	}
}

func TestRefusalsAreExplained(t *testing.T) {
	c := clients("http://127.0.0.1:1")
	c.SQS = sqs.New(c.SQS.Options(), func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	_, _, err := provision.Ensure(t.Context(), c, spec())
	if fault.KindOf(err) != fault.Retry || !strings.Contains(fault.HintOf(err), "AWS_ENDPOINT_URL") {
		t.Errorf("nobody there: %v, hint %q", err, fault.HintOf(err))
	}
}

// A tier that starts waits for a service that is busy, as for one that is not there, and ends
// where only a person can help.
func TestFindTellsBusyFromRefused(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		want   fault.Kind
	}{
		{http.StatusServiceUnavailable, "ServiceUnavailable", fault.Retry}, {http.StatusBadRequest, "RequestThrottled", fault.Retry},
		{http.StatusInternalServerError, "InternalError", fault.Retry},
		{http.StatusBadRequest, "ExpiredToken", fault.Permanent}, {http.StatusForbidden, "InvalidClientTokenId", fault.Permanent}, {http.StatusBadRequest, "AccessDeniedException", fault.Permanent},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(tc.status)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"no"}`, tc.code)
		}))
		c := clients(srv.URL)
		c.SQS = sqs.New(c.SQS.Options(), func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		_, err := provision.Find(t.Context(), c, spec())
		srv.Close()
		if fault.KindOf(err) != tc.want || tc.want == fault.Permanent && fault.HintOf(err) == "" {
			t.Errorf("%d %s: %v, %q: %v", tc.status, tc.code, fault.KindOf(err), fault.HintOf(err), err)
		}
	}
}

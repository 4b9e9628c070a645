package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/telemetry"
)

func newTier(endpoint string) (*telemetry.Tier, aws.Config) {
	tier := telemetry.NewTier("app", nil, slog.New(slog.DiscardHandler))
	c := awstest.Config(endpoint)
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	}
	return tier, tier.AWS(c)
}

// Calls are counted by how they end, requests beyond the first as retries, and what is only
// presigned not at all.
func TestCallsAreCounted(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		tier, c := newTier(endpoint)
		client := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
		bucket := aws.String("telemetry-calls")
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b"} {
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: strings.NewReader("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("missing")}); err == nil {
			t.Fatal("a missing object is there")
		}
		presigner := s3.NewPresignClient(client)
		if _, err := presigner.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("a")}); err != nil {
			t.Fatal(err)
		}
		if _, err := presigner.PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a")}); err != nil {
			t.Fatal(err)
		}
		ended, stop := context.WithCancel(t.Context())
		stop()
		_, _ = sqs.NewFromConfig(c).ListQueues(ended, &sqs.ListQueuesInput{})
		expect(t, tier, "tintype_aws_calls_total", `
			tintype_aws_calls_total{operation="CreateBucket",result="ok",service="S3"} 1
			tintype_aws_calls_total{operation="GetObject",result="refused",service="S3"} 1
			tintype_aws_calls_total{operation="ListQueues",result="cancelled",service="SQS"} 1
			tintype_aws_calls_total{operation="PutObject",result="ok",service="S3"} 2
		`)
	})
}

// failing answers so many requests with a status, and the others with success.
func failing(t *testing.T, times int32, status int) string {
	var left atomic.Int32
	left.Store(times)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if left.Add(-1) >= 0 {
			w.WriteHeader(status)
			return
		}
		w.Write([]byte(`{"QueueUrls":[]}`))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestRetriesAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		times  int32
		status int
		want   string
	}{
		"passing":   {2, 500, `tintype_aws_calls_total{operation="ListQueues",result="ok",service="SQS"} 1`},
		"throttled": {99, 503, `tintype_aws_calls_total{operation="ListQueues",result="throttled",service="SQS"} 1`},
		"failing":   {99, 500, `tintype_aws_calls_total{operation="ListQueues",result="failed",service="SQS"} 1`},
	} {
		t.Run(name, func(t *testing.T) {
			tier, conf := newTier(failing(t, c.times, c.status))
			_, _ = sqs.NewFromConfig(conf).ListQueues(t.Context(), &sqs.ListQueuesInput{})
			expect(t, tier, "tintype_aws_calls_total", c.want+"\n")
			expect(t, tier, "tintype_aws_retries_total", `tintype_aws_retries_total{operation="ListQueues",service="SQS"} 2`+"\n")
		})
	}
	tier, conf := newTier("http://127.0.0.1:1")
	_, _ = sqs.NewFromConfig(conf).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	expect(t, tier, "tintype_aws_calls_total", `tintype_aws_calls_total{operation="ListQueues",result="network",service="SQS"} 1`+"\n")
}

// expect compares a metric with its text, whose help is that of the metric itself.
func expect(t *testing.T, tier *telemetry.Tier, name, want string) {
	t.Helper()
	got, err := testutil.CollectAndFormat(gathered{tier}, expfmt.TypeTextPlain, name)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(s string) (out []string) {
		for l := range strings.Lines(s) {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
				out = append(out, l)
			}
		}
		slices.Sort(out)
		return out
	}
	if g, w := lines(string(got)), lines(want); !slices.Equal(g, w) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

// A call is part of the trace that it is made for; what is made before that is known is told
// then; what nobody traces makes no span.
func TestCallsAreTraced(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	tier, conf := newTierWith(failing(t, 1, 500), tracer)
	client := sqs.NewFromConfig(conf)
	list := func(ctx context.Context) {
		if _, err := client.ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	list(t.Context()) // retried once, and nobody's
	early, late := telemetry.WithLate(t.Context(), tier.Tracer)
	list(early)
	if n := len(spans.Ended()); n != 0 {
		t.Fatalf("%d spans before anything is traced", n)
	}
	ctx, root := tracer.Start(early, "root")
	late.Tell(ctx, time.Now())
	late.Tell(ctx, time.Now())
	list(ctx)
	root.End()
	list(trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))) // not sampled
	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans", len(ended))
	}
	for _, s := range ended[:2] {
		if s.Name() != "SQS.ListQueues" || s.Parent().SpanID() != root.SpanContext().SpanID() || s.SpanKind() != trace.SpanKindClient || s.Status().Code == codes.Error {
			t.Errorf("%+v", s)
		}
	}
	if !ended[0].StartTime().Before(ended[2].StartTime()) || !ended[0].EndTime().Before(ended[2].StartTime()) {
		t.Error("what was noted has not the times that it had")
	}
}

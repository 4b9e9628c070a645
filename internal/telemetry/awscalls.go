package telemetry

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/outage"
)

// calls counts calls of AWS APIs, and makes spans of them.
//
// It is a middleware of the SDK (https://docs.aws.amazon.com/sdk-for-go/v2/developer-guide/middleware.html)
// in two places: around all attempts of a call, and around each. What is only presigned
// has no attempts.
type calls struct {
	tracer  trace.Tracer
	ended   *prometheus.CounterVec
	retries *prometheus.CounterVec
	took    *prometheus.HistogramVec
}

func newCalls(r prometheus.Registerer, tracer trace.Tracer) *calls {
	c := &calls{
		tracer: tracer,
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tintype_aws_calls_total",
			Help: "Calls of AWS APIs that have ended, by result: ok, throttled, refused (4xx), failed (5xx), network, unsent (no credentials, for instance) or cancelled."},
			[]string{"service", "operation", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tintype_aws_retries_total",
			Help: "Requests to AWS APIs beyond the first of their call."}, []string{"service", "operation"}),
		took: prometheus.NewHistogramVec(Histogram("tintype_aws_call_duration_seconds",
			"How long calls of AWS APIs took, retries included; long polls are left out."), []string{"service", "operation"}),
	}
	r.MustRegister(c.ended, c.retries, c.took)
	return c
}

// call is one call under way.
type call struct {
	attempts atomic.Int32
	status   atomic.Int32 // of the last answer
}

type callKey struct{}

func (c *calls) install(s *middleware.Stack) error {
	if err := s.Finalize.Add(middleware.FinalizeMiddlewareFunc("TintypeCalls", c.around), middleware.Before); err != nil {
		return err
	}
	return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("TintypeAttempts", attempt), middleware.After)
}

func (c *calls) around(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, meta middleware.Metadata, err error) {
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	now := &call{}
	began := time.Now()
	out, meta, err = next.HandleFinalize(context.WithValue(ctx, callKey{}, now), in)
	n := now.attempts.Load()
	if n == 0 && err == nil {
		return out, meta, nil // presigned
	}
	result := now.result(ctx, err)
	c.ended.WithLabelValues(service, operation, result).Inc()
	if n > 1 {
		c.retries.WithLabelValues(service, operation).Add(float64(n - 1))
	}
	if operation != "ReceiveMessage" {
		c.took.WithLabelValues(service, operation).Observe(time.Since(began).Seconds())
	}
	c.tell(ctx, service, operation, began, now, result, meta, err)
	return out, meta, err
}

// attempt counts one request, as close to the network as may be.
func attempt(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (out middleware.DeserializeOutput, meta middleware.Metadata, err error) {
	now, _ := ctx.Value(callKey{}).(*call)
	if now == nil {
		return next.HandleDeserialize(ctx, in)
	}
	now.attempts.Add(1)
	out, meta, err = next.HandleDeserialize(ctx, in)
	now.status.Store(0)
	if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && resp.Response != nil {
		now.status.Store(int32(resp.StatusCode))
	}
	return out, meta, err
}

// result is what became of a call, in one of few words.
func (c *call) result(ctx context.Context, err error) string {
	status := int(c.status.Load())
	switch {
	case err == nil || status == http.StatusNotModified:
		return "ok"
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return "cancelled"
	case outage.Of(err) == outage.Throttled:
		return "throttled"
	case c.attempts.Load() == 0:
		return "unsent"
	case status >= 500:
		return "failed"
	case status >= 400:
		return "refused"
	default:
		return "network"
	}
}

// tell makes a span of a call that has ended, as part of what is traced already: a call that
// nobody traced asks for makes no trace of its own.
func (c *calls) tell(ctx context.Context, service, operation string, began time.Time, now *call, result string, meta middleware.Metadata, err error) {
	late := lateOf(ctx)
	if late == nil && !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	s := lateSpan{name: service + "." + operation, began: began, ended: time.Now(), attrs: []attribute.KeyValue{
		attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", service), attribute.String("rpc.method", operation),
		attribute.Int("http.request.resend_count", max(int(now.attempts.Load())-1, 0))}}
	if status := now.status.Load(); status != 0 {
		s.attrs = append(s.attrs, attribute.Int("http.response.status_code", int(status)))
	}
	if id, ok := awsmiddleware.GetRequestIDMetadata(meta); ok {
		s.attrs = append(s.attrs, attribute.String("aws.request_id", bounded(id)))
	}
	if result != "ok" {
		s.code = result
		var api smithy.APIError
		if errors.As(err, &api) {
			s.code = bounded(api.ErrorCode())
		}
	}
	if late != nil {
		late.note(s)
		return
	}
	s.tell(ctx, c.tracer)
}

// bounded makes a code or an id that a service has sent fit to be told.
func bounded(code string) string {
	const most = 64
	if len(code) > most {
		return "unknown"
	}
	for _, r := range code {
		if r < '!' || r > '~' {
			return "unknown"
		}
	}
	return code
}

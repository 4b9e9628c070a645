package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/telemetry"
)

// traced makes a request a span, with which an image's trace begins: in the trace that the
// client says it is part of, or in one of its own.
func (s *Server) traced(name string, next http.HandlerFunc) http.HandlerFunc {
	if !telemetry.Enabled(s.o.Tracer) {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		route := s.routeOf(r)
		ctx, span := s.o.Tracer.Start(telemetry.Extract(r.Context(), r.Header.Get(telemetry.Traceparent)), name, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route)))
		defer span.End()
		a := responseOf(ctx)
		if a != nil {
			a.traced = telemetry.IDs(ctx)
		}
		next(w, r.WithContext(ctx))
		if a == nil {
			return
		}
		span.SetAttributes(attribute.Int("http.response.status_code", a.status))
		if a.image != "" {
			span.SetAttributes(attribute.String("tintype.image.id", a.image))
		}
		code := a.code
		if code == "" && a.status >= http.StatusBadRequest {
			code = http.StatusText(a.status)
		}
		telemetry.Failed(span, code)
	}
}

// heard makes a completion message a span, in the trace that it says it is part of; end ends it.
func (n *Notifier) heard(m sqstypes.Message) (ctx context.Context, end func()) {
	ctx = context.Background()
	if !telemetry.Enabled(n.o.Tracer) {
		return ctx, func() {}
	}
	ctx = telemetry.Extract(ctx, aws.ToString(m.MessageAttributes[telemetry.Traceparent].StringValue))
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func() {} // of somebody who makes no traces
	}
	ctx, span := n.o.Tracer.Start(ctx, "completion", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.message.id", aws.ToString(m.MessageId))))
	return ctx, func() { span.End() }
}

// push is the last of an image's trace: from a result's publishing until the first listener has
// been written to.
type push struct {
	span trace.Span
	once sync.Once
}

// pushing begins the span of an event for as many listeners; nil where nothing is traced.
func (s *Server) pushing(ctx context.Context, imageID string, listeners int) *push {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return nil
	}
	_, span := s.o.Tracer.Start(ctx, "sse push", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("tintype.image.id", imageID), attribute.Int("tintype.listeners", listeners)))
	p := &push{span: span}
	if listeners == 0 {
		p.done("")
		return p
	}
	time.AfterFunc(streamWriteTimeout, func() { p.done("no listener was there any more") })
	return p
}

// done ends the span, once.
func (p *push) done(code string) {
	if p == nil {
		return
	}
	p.once.Do(func() {
		telemetry.Failed(p.span, code)
		p.span.End()
	})
}

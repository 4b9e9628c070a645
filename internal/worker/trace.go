package worker

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/telemetry"
)

// traced is an attempt's part in the trace of its image.
//
// An S3 event carries no trace, but the original does, in its metadata. So the trace is
// known only when the original is opened; what comes before that is told then, with the times that
// it had. An original without a trace, or that is never opened, begins one here.
type traced struct {
	span  trace.Span // nil until the trace is known
	late  *telemetry.Late
	began time.Time
}

// trace begins to note what is done under ctx, where somebody wants traces.
func (a *attempt) trace(ctx context.Context) context.Context {
	if !telemetry.Enabled(a.opts.Tracer) {
		return ctx
	}
	a.traced.began = time.Now()
	ctx, a.traced.late = telemetry.WithLate(ctx, a.opts.Tracer)
	return ctx
}

// join learns whose trace this is, and returns the context of what follows. Where traces are
// not made here, one that is there is passed on to those who come after.
func (a *attempt) join(ctx context.Context, src *store.Source) context.Context {
	parent := telemetry.Extract(ctx, src.Traceparent)
	var options []trace.SpanStartOption
	switch {
	case a.backfilled(): // long after the upload: that trace is over
		if sc := trace.SpanContextFromContext(parent); sc.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: sc}))
		}
		parent = ctx
	case src.Traceparent == "" || !trace.SpanContextFromContext(parent).IsValid():
		parent = telemetry.Extract(ctx, telemetry.FromXRay(a.msg.TraceHeader))
	}
	if a.traced.late == nil {
		if trace.SpanContextFromContext(parent).IsValid() {
			a.traced.span = trace.SpanFromContext(parent)
		}
		return a.in(ctx)
	}
	a.open(parent, options...)
	return a.in(ctx)
}

// open begins the span of this attempt, and tells what came before it.
func (a *attempt) open(parent context.Context, options ...trace.SpanStartOption) {
	m, u := a.msg, a.up
	tracer := a.opts.Tracer
	options = append(options, trace.WithTimestamp(a.traced.began), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("tintype.image.id", a.id), attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.message.id", m.ID),
		attribute.Int("tintype.receive_count", m.ReceiveCount), attribute.Int("tintype.try", m.Try)))
	inside := parent
	ctx, span := tracer.Start(parent, "image", options...)
	a.traced.span = span
	if !trace.SpanContextFromContext(parent).IsValid() {
		inside = ctx // the wait has nothing else to hang on to
	}
	if begun := earlier(u.Time, m.SentAt); !begun.IsZero() && !m.ReceivedAt.IsZero() && m.Try <= 1 {
		ended := m.ReceivedAt
		if ended.Before(begun) { // clocks differ
			begun = ended
		}
		_, wait := tracer.Start(inside, "queue wait", trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.message.id", m.ID), attribute.Int("tintype.receive_count", m.ReceiveCount)))
		if !m.SentAt.IsZero() {
			wait.AddEvent("in the queue", trace.WithTimestamp(m.SentAt))
		}
		wait.End(trace.WithTimestamp(ended))
	}
	if ids := telemetry.IDs(ctx); ids != nil {
		a.log = a.log.With(ids...)
	}
}

// earlier is the first of two times that are known.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// in is ctx with the span of this attempt.
func (a *attempt) in(ctx context.Context) context.Context {
	if a.traced.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, a.traced.span)
}

// close ends the span of this attempt, of which err is how it ended.
func (a *attempt) close(ctx context.Context, err error) {
	if a.traced.late == nil {
		return
	}
	if a.traced.span == nil { // the original was not opened
		a.open(telemetry.Extract(ctx, telemetry.FromXRay(a.msg.TraceHeader)))
	}
	a.traced.late.Tell(a.in(ctx), time.Now())
	telemetry.Failed(a.traced.span, endCode(ctx, err))
	a.traced.span.End()
}

// endCode is how an error is told in a trace.
func endCode(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(context.Cause(ctx), queue.ErrLeaseLost):
		return "lease_lost"
	case ctx.Err() != nil:
		return "cancelled"
	}
	return fault.CodeOf(err)
}

// stage begins a span for a part of the work; done ends it.
func (a *attempt) stage(ctx context.Context, name string, attrs ...attribute.KeyValue) (_ context.Context, done func(error, ...attribute.KeyValue)) {
	if a.traced.span == nil {
		return ctx, func(error, ...attribute.KeyValue) {}
	}
	ctx, span := a.opts.Tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	return ctx, func(err error, attrs ...attribute.KeyValue) {
		span.SetAttributes(attrs...)
		telemetry.Failed(span, endCode(ctx, err))
		span.End()
	}
}

// fetched tells of a fetch that began before the trace was known; done ends it.
func (a *attempt) fetched(ctx context.Context, began time.Time) (_ context.Context, done func(error, ...attribute.KeyValue)) {
	if a.traced.span == nil {
		return ctx, func(error, ...attribute.KeyValue) {}
	}
	a.traced.late.Tell(ctx, began)
	ctx, span := a.opts.Tracer.Start(ctx, "fetch", trace.WithTimestamp(began))
	a.traced.late.Tell(ctx, time.Now())
	return ctx, func(err error, attrs ...attribute.KeyValue) {
		span.SetAttributes(attrs...)
		telemetry.Failed(span, endCode(ctx, err))
		span.End()
	}
}

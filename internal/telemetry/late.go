package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Late keeps the calls that are made before it is known whose trace they belong to: a worker
// learns that from the original that it fetches. Then they are told, with the times that
// they had.
type Late struct {
	tracer trace.Tracer
	mu     sync.Mutex
	spans  []lateSpan
}

// lateSpan is a call that has ended.
type lateSpan struct {
	name         string
	began, ended time.Time
	attrs        []attribute.KeyValue
	code         string // what went wrong; empty: nothing
}

type lateKey struct{}

// WithLate has calls under the context it returns noted, until they are under a span.
func WithLate(ctx context.Context, tracer trace.Tracer) (context.Context, *Late) {
	l := &Late{tracer: tracer}
	return context.WithValue(ctx, lateKey{}, l), l
}

// lateOf is who notes the calls under ctx; nil where they can be told at once, or never.
func lateOf(ctx context.Context) *Late {
	if trace.SpanFromContext(ctx).SpanContext().IsValid() {
		return nil
	}
	l, _ := ctx.Value(lateKey{}).(*Late)
	return l
}

func (l *Late) note(s lateSpan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans = append(l.spans, s)
}

// Tell tells the calls noted so far that began before a time, as parts of the span in ctx.
func (l *Late) Tell(ctx context.Context, before time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.spans[:0]
	for _, s := range l.spans {
		if !s.began.Before(before) {
			rest = append(rest, s)
			continue
		}
		s.tell(ctx, l.tracer)
	}
	l.spans = rest
}

func (s *lateSpan) tell(ctx context.Context, tracer trace.Tracer) {
	_, span := tracer.Start(ctx, s.name, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(s.began), trace.WithAttributes(s.attrs...))
	Failed(span, s.code)
	span.End(trace.WithTimestamp(s.ended))
}

// Failed marks a span by a code; an empty one means that nothing went wrong. Messages are left
// to the log: they may hold more than a trace should.
func Failed(span trace.Span, code string) {
	if code == "" {
		return
	}
	span.SetAttributes(attribute.String("error.type", code))
	span.SetStatus(codes.Error, code)
}

package telemetry

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Traceparent is the name of the header, of the object metadata and of the message attribute
// that carry a trace from one process to the next: https://www.w3.org/TR/trace-context/
//
// What arrives under it is untrusted. It is taken where it is well-formed, decides which trace
// a span belongs to and whether it is recorded, and nothing else. Neither tracestate nor
// baggage is taken or passed on.
const Traceparent = "traceparent"

// maxTraceparent is the longest that is looked at, bytes: version 00 has 55, later ones may add.
const maxTraceparent = 256

// Inject is the traceparent of the span in ctx; empty where there is none.
func Inject(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Traceparent]
}

// Extract returns ctx with a traceparent's span as the parent of those that begin under it;
// ctx as it is where traceparent is none.
func Extract(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" || len(traceparent) > maxTraceparent {
		return ctx
	}
	sc := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Traceparent: traceparent}))
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// FromXRay is the traceparent of an X-Ray trace header, as SQS's AWSTraceHeader has it:
// "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1". It is empty
// where the header does not name both, or is none.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func FromXRay(header string) string {
	if len(header) > maxTraceparent {
		return ""
	}
	var root, parent string
	flags := "00"
	for field := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			root = value
		case "Parent":
			parent = value
		case "Sampled":
			if value == "1" {
				flags = "01"
			}
		}
	}
	version, rest, _ := strings.Cut(root, "-")
	seconds, random, _ := strings.Cut(rest, "-")
	id := strings.ToLower(seconds + random)
	parent = strings.ToLower(parent)
	if version != "1" || len(seconds) != 8 || len(random) != 24 || len(parent) != 16 || !isHex(id) || !isHex(parent) {
		return ""
	}
	return "00-" + id + "-" + parent + "-" + flags
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}

// Enabled reports whether a tracer makes traces.
func Enabled(t trace.Tracer) bool {
	_, off := t.(noop.Tracer)
	return t != nil && !off
}

// IDs are the attributes by which log lines name the span in ctx; none where it is not recorded.
func IDs(ctx context.Context) []any {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() || !sc.IsSampled() {
		return nil
	}
	return []any{"trace_id", sc.TraceID().String(), "span_id", sc.SpanID().String()}
}

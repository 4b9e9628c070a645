package telemetry_test

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/telemetry"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// What others say is taken where it is well-formed, and says nothing but which trace it is.
func TestExtract(t *testing.T) {
	for name, c := range map[string]struct {
		in             string
		valid, sampled bool
	}{
		"sampled":             {"00-" + traceID + "-" + spanID + "-01", true, true},
		"not sampled":         {"00-" + traceID + "-" + spanID + "-00", true, false},
		"of a later version":  {"01-" + traceID + "-" + spanID + "-01-more", true, true},
		"version ff":          {"ff-" + traceID + "-" + spanID + "-01", false, false},
		"no trace":            {"00-00000000000000000000000000000000-" + spanID + "-01", false, false},
		"no span":             {"00-" + traceID + "-0000000000000000-01", false, false},
		"capitals":            {"00-" + strings.ToUpper(traceID) + "-" + spanID + "-01", false, false},
		"more than there is":  {"00-" + traceID + "-" + spanID + "-01-x", false, false},
		"too long":            {"01-" + traceID + "-" + spanID + "-01-" + strings.Repeat("x", 1000), false, false},
		"empty":               {"", false, false},
		"a line of a log":     {"00-" + traceID + "-" + spanID + "-01\nforged", false, false},
		"something different": {"<script>", false, false},
	} {
		ctx := telemetry.Extract(t.Context(), c.in)
		sc := trace.SpanContextFromContext(ctx)
		if sc.IsValid() != c.valid || sc.IsSampled() != c.sampled || c.valid && (sc.TraceID().String() != traceID || !sc.IsRemote() || sc.TraceState().Len() != 0) {
			t.Errorf("%s: %+v", name, sc)
		}
		if got := telemetry.Inject(ctx); c.valid != (got != "") {
			t.Errorf("%s: passed on as %q", name, got)
		}
		if ids := telemetry.IDs(ctx); c.sampled != (len(ids) == 4) {
			t.Errorf("%s: the log says %v", name, ids)
		}
	}
}

func TestFromXRay(t *testing.T) {
	root := "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"
	for in, want := range map[string]string{
		root + ";Parent=" + spanID + ";Sampled=1":                                              "00-" + traceID + "-" + spanID + "-01",
		root + "; Parent=" + spanID + "; Sampled=0":                                            "00-" + traceID + "-" + spanID + "-00",
		"Self=1-67891234-12456789abcdef012345678;" + root + ";Parent=" + spanID + ";Sampled=1": "00-" + traceID + "-" + spanID + "-01",
		root + ";Sampled=1": "",
		"Parent=" + spanID:  "",
		"Root=2-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=" + spanID: "",
		"Root=1-4bf92f35-77b34da6a3ce929d0e0e473g;Parent=" + spanID: "",
		"Root=1-4bf92f3577b34da6a3ce929d0e0e4736;Parent=" + spanID:  "",
		"":               "",
		"Root;Parent;=;": "",
	} {
		if got := telemetry.FromXRay(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// Whatever is said, what is passed on is a traceparent or nothing, and never another trace.
func FuzzTraceparent(f *testing.F) {
	f.Add("00-"+traceID+"-"+spanID+"-01", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent="+spanID+";Sampled=1")
	f.Add("", "Root=;Parent=;")
	f.Fuzz(func(t *testing.T, header, xray string) {
		for _, in := range []string{header, telemetry.FromXRay(xray)} {
			out := telemetry.Inject(telemetry.Extract(context.Background(), in))
			if out == "" {
				continue
			}
			if len(out) != 55 || out[3:52] != in[3:52] {
				t.Fatalf("%q is passed on as %q", in, out)
			}
			if again := (propagation.TraceContext{}).Extract(context.Background(), propagation.MapCarrier{"traceparent": out}); !trace.SpanContextFromContext(again).IsValid() {
				t.Fatalf("%q is no traceparent", out)
			}
		}
		if x := telemetry.FromXRay(xray); x != "" && telemetry.Inject(telemetry.Extract(context.Background(), x)) == "" && !strings.Contains(x, strings.Repeat("0", 16)) {
			t.Fatalf("%q of %q is no traceparent", x, xray)
		}
	})
}

package telemetry_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/telemetry"
)

func newTierWith(endpoint string, tracer trace.Tracer) (*telemetry.Tier, aws.Config) {
	tier := telemetry.NewTierTracing(tracer)
	_, c := newTier(endpoint)
	c.APIOptions = nil
	return tier, tier.AWS(c)
}

// gathered makes a collector of what a tier tells.
type gathered struct{ tier *telemetry.Tier }

func (g gathered) Describe(chan<- *prometheus.Desc) {}

func (g gathered) Collect(ch chan<- prometheus.Metric) {
	families, err := g.tier.Registry.Gather()
	if err != nil {
		return
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "tintype_aws_") || f.GetType().String() != "COUNTER" {
			continue
		}
		for _, m := range f.Metric {
			labels := prometheus.Labels{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(f.GetName(), f.GetHelp(), nil, labels), prometheus.CounterValue, m.Counter.GetValue())
		}
	}
}

// The environment decides, and what it says wrong is refused at the start, without secrets.
func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env      map[string]string
		endpoint string
		on       bool
		fault    string
	}{
		"nothing said":        {nil, "", false, ""},
		"the flag":            {nil, "http://127.0.0.1:4318", true, ""},
		"the environment":     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "", true, ""},
		"for traces alone":    {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/x"}, "", true, ""},
		"grpc":                {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://127.0.0.1:4317", true, ""},
		"switched off":        {map[string]string{"OTEL_SDK_DISABLED": "true"}, "http://127.0.0.1:4318", false, ""},
		"no exporter":         {map[string]string{"OTEL_TRACES_EXPORTER": "none"}, "http://127.0.0.1:4318", false, ""},
		"another exporter":    {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, "http://127.0.0.1:4318", false, "zipkin"},
		"another protocol":    {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "http://127.0.0.1:4318", false, "http/json"},
		"no URL":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "", false, "no URL"},
		"with a password":     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://me:hidden@host"}, "", false, "xxxxx"},
		"a password, in junk": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hidden@host:port:more"}, "", false, "no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			traces, err := telemetry.OpenTraces(t.Context(), c.endpoint, "1", slog.New(slog.DiscardHandler))
			if (traces != nil) != c.on || (err != nil) != (c.fault != "") || err != nil && (!strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "hidden")) {
				t.Errorf("%v, %v", traces, err)
			}
			tier := telemetry.NewTier("web", traces, slog.New(slog.DiscardHandler))
			if telemetry.Enabled(tier.Tracer) != c.on {
				t.Error("the tracer says otherwise")
			}
			traces.Close()
		})
	}
}

// canned answers every request at once, without a network.
type canned struct{}

func (canned) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(`{"QueueUrls":[]}`))}, nil
}

// BenchmarkCall is what a call of an API costs the SDK by itself, counted, and counted and traced.
func BenchmarkCall(b *testing.B) {
	tracer := sdktrace.NewTracerProvider().Tracer("bench")
	for name, tier := range map[string]*telemetry.Tier{"bare": nil, "counted": telemetry.NewTierTracing(telemetry.NoTracer()), "traced": telemetry.NewTierTracing(tracer)} {
		b.Run(name, func(b *testing.B) {
			c := awstest.Config("http://127.0.0.1:1")
			c.HTTPClient = canned{}
			if tier != nil {
				c = tier.AWS(c)
			}
			client := sqs.NewFromConfig(c)
			ctx, span := tracer.Start(b.Context(), "image")
			defer span.End()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSpan is a span of the worker's: without traces, and with.
func BenchmarkSpan(b *testing.B) {
	for name, tracer := range map[string]trace.Tracer{"off": telemetry.NoTracer(), "on": sdktrace.NewTracerProvider().Tracer("bench")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, span := tracer.Start(b.Context(), "store", trace.WithAttributes(attribute.String("tintype.output", "thumb")))
				telemetry.Failed(span, "")
				span.End()
			}
		})
	}
}

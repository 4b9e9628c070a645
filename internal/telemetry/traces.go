package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces sends spans to who takes OTLP. It follows the environment variables that
// OpenTelemetry defines: where to, by which protocol, which spans, in what batches.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
type Traces struct {
	spans   sdktrace.SpanProcessor // one for all tiers of the process
	version string
	log     *slog.Logger
}

// OpenTraces makes traces be sent to endpoint, the base URL of an OTLP receiver; where that is
// empty, to where the environment says. It is nil, without an error, where neither does:
// then there are none. An endpoint that does not answer is no error: it may come.
func OpenTraces(ctx context.Context, endpoint, version string, log *slog.Logger) (*Traces, error) {
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return nil, nil
	case exporter != "" && exporter != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: otlp and none are known here", exporter)
	case endpoint == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return nil, nil
	}
	sender, err := newSender(endpoint)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(&complaints{log: log})
	out, err := otlptrace.New(ctx, sender)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	return &Traces{spans: sdktrace.NewBatchSpanProcessor(out), version: version, log: log}, nil
}

// newSender makes what speaks to the receiver.
func newSender(endpoint string) (otlptrace.Client, error) {
	for _, v := range []string{endpoint, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")} {
		if u, err := url.Parse(v); v != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("the endpoint for traces, %q, is no URL of the form http://host:port", redacted(v))
		}
	}
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		if endpoint == "" {
			return otlptracehttp.NewClient(), nil
		}
		full, err := url.JoinPath(endpoint, "v1", "traces")
		if err != nil {
			return nil, err
		}
		return otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(full)), nil
	case "grpc":
		if endpoint == "" {
			return otlptracegrpc.NewClient(), nil
		}
		return otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(endpoint)), nil
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: http/protobuf and grpc are known here", protocol)
}

// redacted is a URL as it may be shown.
func redacted(v string) string {
	u, err := url.Parse(v)
	if err != nil {
		return "…"
	}
	return u.Redacted()
}

// tracer makes the spans of one tier, under a service name of its own unless
// OTEL_SERVICE_NAME says otherwise. Without traces they are none.
func (t *Traces) tracer(tier string) trace.Tracer {
	if t == nil {
		return NoTracer()
	}
	// What the environment says comes last and wins.
	res, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "tintype-"+strings.ReplaceAll(tier, " ", "-")), attribute.String("service.version", t.version),
		attribute.String("service.instance.id", Instance()),
	), resource.WithFromEnv())
	if err != nil {
		t.log.Warn("OTEL_RESOURCE_ATTRIBUTES cannot be read as a whole", "error", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(t.spans), sdktrace.WithResource(res))
	return provider.Tracer("github.com/tintype/tintype", trace.WithInstrumentationVersion(t.version))
}

// closeTimeout bounds the sending of the last spans.
const closeTimeout = 5 * time.Second

// Close sends what is still to be sent, and no more.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.spans.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces could not be sent", "error", err)
	}
}

// complaints logs what goes wrong with traces, now and then: a receiver that is away must
// not fill the log.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
	kept int
}

const complainEvery = time.Minute

// Handle is called by OpenTelemetry.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.IsZero() && time.Since(c.last) < complainEvery {
		c.kept++
		return
	}
	c.log.Warn("traces cannot be sent; what is traced meanwhile is dropped", "error", err, "not_logged", c.kept)
	c.last, c.kept = time.Now(), 0
}

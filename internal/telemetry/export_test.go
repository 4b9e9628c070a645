package telemetry

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// NewTierTracing is NewTier with a tracer of the test's.
func NewTierTracing(tracer trace.Tracer) *Tier {
	t := &Tier{Registry: prometheus.NewRegistry(), Tracer: tracer, Log: slog.New(slog.DiscardHandler)}
	t.calls = newCalls(t.Registry, tracer)
	return t
}

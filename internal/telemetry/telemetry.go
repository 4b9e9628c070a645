// Package telemetry is how a process tells what it does: figures for Prometheus, traces by
// OTLP, and what log lines have in common. Each tier has a Tier of its own, also where
// several run in one process.
//
// Every package may import it; of ours it imports internal/outage alone. docs/operate.md
// lists what is told.
package telemetry

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tier is what one tier tells with.
type Tier struct {
	Registry *prometheus.Registry
	Tracer   trace.Tracer // never nil; without traces it does nothing
	Log      *slog.Logger // whose lines name tier and instance

	calls *calls
}

// NewTier makes what the tier of a name ("web", "app", "coupled web", "coupled app") tells
// with. Traces may be nil: none are made.
func NewTier(name string, traces *Traces, log *slog.Logger) *Tier {
	t := &Tier{Registry: prometheus.NewRegistry(), Tracer: traces.tracer(name), Log: log.With("tier", name, "instance", Instance())}
	t.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.calls = newCalls(t.Registry, t.Tracer)
	return t
}

// AWS is c with every call of its clients counted, and part of the trace that it is made for.
func (t *Tier) AWS(c aws.Config) aws.Config {
	c = c.Copy()
	c.APIOptions = append(c.APIOptions, t.calls.install)
	return c
}

// BuildInfo tells which program this is. Libvips is empty where there is none.
func (t *Tier) BuildInfo(version, libvips string) {
	t.Registry.MustRegister(BuildInfo(version, libvips))
}

// BuildInfo is the metric that says which program tells the others.
func BuildInfo(version, libvips string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tintype_build_info", Help: "Always 1; its labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version(), "libvips": libvips},
	})
	g.Set(1)
	return g
}

// Instance tells this process from others of its tier: the machine's name and the process id.
func Instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// NoTracer makes no traces.
func NoTracer() trace.Tracer { return noop.NewTracerProvider().Tracer("") }

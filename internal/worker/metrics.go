package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/telemetry"
)

// The stages of an image's way, as metrics name them.
const (
	stageWait     = "wait" // from the upload until a worker begins
	stageFetch    = "fetch"
	stageCore     = "core" // waiting for one
	stageProcess  = "process"
	stageStore    = "store"
	stageCommit   = "commit"
	stageAnnounce = "announce"
)

// metrics are the figures that a worker itself observes; those of Stats are told beside them.
type metrics struct {
	stages      *prometheus.HistogramVec
	whole       prometheus.Histogram
	faults      *prometheus.CounterVec
	sourceBytes prometheus.Counter
	outputBytes prometheus.Counter
	pixels      prometheus.Counter
}

func newMetrics(w *Worker, r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		stages: prometheus.NewHistogramVec(telemetry.Histogram("tintype_image_stage_duration_seconds",
			"How long each stage of an image took: wait (upload to receipt by a worker), fetch, core (waiting for one), process, store, commit, announce."), []string{"stage"}),
		whole: prometheus.NewHistogram(telemetry.Histogram("tintype_image_duration_seconds", "Upload to the end of the work, of images done or failed.")),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tintype_image_faults_total",
			Help: "Attempts that ended in a fault, by its code; of kind permanent (the image failed), retry or bug."}, []string{"code", "kind"}),
		sourceBytes: counter("tintype_image_source_bytes_total", "Bytes of originals processed."),
		outputBytes: counter("tintype_image_output_bytes_total", "Bytes of outputs stored."),
		pixels:      counter("tintype_image_pixels_total", "Pixels of originals processed."),
	}
	for _, s := range []string{stageWait, stageFetch, stageCore, stageProcess, stageStore, stageCommit, stageAnnounce} {
		m.stages.WithLabelValues(s) // there from the start, so that a rate has something to begin with
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.stages, m.whole, m.faults, m.sourceBytes, m.outputBytes, m.pixels)
	count := func(name, help string, value func(Stats) int64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(w.Stats())) }))
	}
	count("tintype_images_done_total", "Images whose result was stored and announced.", func(s Stats) int64 { return s.Done })
	count("tintype_images_failed_total", "Images whose permanent fault was stored and announced.", func(s Stats) int64 { return s.Failed })
	count("tintype_images_unneeded_total", "Images that had a current result already.", func(s Stats) int64 { return s.Unneeded })
	count("tintype_images_superseded_total", "Images that a newer upload or result has taken over.", func(s Stats) int64 { return s.Superseded })
	count("tintype_image_attempts_repeated_total", "Attempts that ended in a passing fault or a bug.", func(s Stats) int64 { return s.Again })
	count("tintype_image_attempts_held_total", "Attempts that an outage ended; the message stayed in hand.", func(s Stats) int64 { return s.Held })
	count("tintype_messages_junk_total", "Messages that are no S3 events.", func(s Stats) int64 { return s.Junk })
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_images_computing", Help: "Images being computed."},
		func() float64 { return float64(w.Stats().Computing) }))
	return m
}

// took observes a stage that began at a time and ends now.
func (m *metrics) took(stage string, began time.Time) { m.spent(stage, time.Since(began)) }

func (m *metrics) spent(stage string, d time.Duration) {
	m.stages.WithLabelValues(stage).Observe(max(d.Seconds(), 0))
}

// codes are the codes of faults; whatever else there may be is told as internal.
var codes = map[string]bool{}

func init() {
	for _, c := range fault.Codes {
		codes[c] = true
	}
}

// fault counts an attempt that ended in one.
func (m *metrics) fault(code string, kind fault.Kind) {
	if !codes[code] {
		code = fault.CodeInternal
	}
	m.faults.WithLabelValues(code, kind.String()).Inc()
}

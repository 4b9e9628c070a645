package localaws

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

// metrics is what the endpoint tells of itself at the console's /metrics. Clients name queues,
// so only the first maxQueues of those are told of.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	commits  prometheus.Histogram
}

// maxQueues is how many queues are told of.
const maxQueues = 100

// collectTimeout bounds the reading of figures for one scrape.
const collectTimeout = 5 * time.Second

func newMetrics() *metrics {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tintype_endpoint_requests_total",
			Help: "Requests answered by the embedded endpoint; of S3 the operation is the method."}, []string{"service", "operation", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tintype_endpoint_request_duration_seconds",
			Help: "How long answers took; long polls are left out.", Buckets: buckets}, []string{"service"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tintype_endpoint_commit_duration_seconds",
			Help: "How long one commit took, its sync to disk included; one commit serves many requests.", Buckets: buckets}),
	}
	m.registry.MustRegister(m.requests, m.took, m.commits, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// committed observes one commit.
func (m *metrics) committed(d time.Duration) { m.commits.Observe(d.Seconds()) }

// handler answers scrapes. Whoever reaches the console may read them.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 8})
}

// observed counts and times what passes.
func (m *metrics) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(sw, r)
		m.requests.WithLabelValues(sw.service, sw.operation, strconv.Itoa(max(sw.status, http.StatusOK))).Inc()
		if sw.operation != "ReceiveMessage" {
			m.took.WithLabelValues(sw.service).Observe(time.Since(began).Seconds())
		}
	})
}

// note says for the metrics which service and operation an answer is of, in words of ours
// alone.
func note(w http.ResponseWriter, service, operation string) {
	if sw, ok := w.(*statusWriter); ok {
		sw.service, sw.operation = service, operation
	}
}

// s3Methods are those that S3 has; a client may make up others.
var s3Methods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions}

func s3Method(r *http.Request) string {
	if slices.Contains(s3Methods, r.Method) {
		return r.Method
	}
	return "other"
}

// statusWriter remembers the status. It lets through what answers may want of the writer below.
type statusWriter struct {
	http.ResponseWriter
	status             int
	service, operation string
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// ReadFrom keeps files from passing through a buffer of ours.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

var (
	queueMessages = prometheus.NewDesc("tintype_endpoint_queue_messages", "Messages in each queue, by state.", []string{"queue", "state"}, nil)
	storeBytes    = prometheus.NewDesc("tintype_endpoint_store_bytes", "Bytes that the database takes on disk.", nil, nil)
)

// state reads figures of the store when it is scraped.
type state struct {
	sqs *sqs.Service
	dir string
}

// Describe tells what Collect may.
func (s *state) Describe(ch chan<- *prometheus.Desc) { ch <- queueMessages; ch <- storeBytes }

// Collect tells the figures, as far as they can be read.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	size := int64(0)
	for _, name := range []string{"endpoint.db", "endpoint.db-wal"} {
		if st, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			size += st.Size()
		}
	}
	ch <- prometheus.MustNewConstMetric(storeBytes, prometheus.GaugeValue, float64(size))
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	queues, _, err := s.sqs.Page(ctx, "", "", maxQueues)
	if err != nil {
		return
	}
	for _, q := range queues {
		for state, n := range map[string]int64{"visible": q.Visible, "in_flight": q.InFlight, "delayed": q.Delayed} {
			ch <- prometheus.MustNewConstMetric(queueMessages, prometheus.GaugeValue, float64(n), q.Name, state)
		}
	}
}

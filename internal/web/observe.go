package web

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// noRoute is the route of requests that have none.
const noRoute = "none"

// response is what is known of a request and its answer: for metrics, the access log and
// the trace. Unwrap lets http.ResponseController through.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
	route  string // the pattern's path; noRoute: none
	image  string // the id of the image that it is about; empty: of none, or of many
	code   string // of the problem that was answered; empty: none
	traced []any  // ids for the log; nil: not traced
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type responseKey struct{}

// responseOf is the answer to the request with this context; nil: it came past observed.
func responseOf(ctx context.Context) *response {
	a, _ := ctx.Value(responseKey{}).(*response)
	return a
}

// methods are those that metrics name; a client may make up others.
var methods = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true}

// observed counts, times and logs requests.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := &response{ResponseWriter: w, route: s.routeOf(r)}
		next.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), responseKey{}, a)))
		if a.status == 0 {
			a.status = http.StatusOK
		}
		method := r.Method
		if !methods[method] {
			method = "other"
		}
		took := time.Since(began)
		s.metrics.requests.WithLabelValues(method, a.route, strconv.Itoa(a.status)).Inc()
		if a.route != "/api/events" {
			s.metrics.took.WithLabelValues(a.route).Observe(took.Seconds())
		}
		s.logAccess(r, a, method, took)
	})
}

// logAccess logs a request: at level debug, or at info where Options.AccessLog asks for it.
// The path is left out, as it may name what is not for everybody; the route says what it was.
func (s *Server) logAccess(r *http.Request, a *response, method string, took time.Duration) {
	level := slog.LevelDebug
	if s.o.AccessLog {
		level = slog.LevelInfo
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []any{"method", method, "route", a.route, "status", a.status, "bytes", a.bytes,
		"ms", float64(took.Microseconds()) / 1000, "client", s.o.Auth.Address(r).String()}
	if a.image != "" {
		attrs = append(attrs, "image", a.image)
	}
	s.log.Log(r.Context(), level, "request", append(attrs, a.traced...)...)
}

// routeOf is the path of the pattern that a request takes.
func (s *Server) routeOf(r *http.Request) string {
	_, pattern := s.mux.Handler(r)
	if pattern == "" {
		return noRoute
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	return strings.TrimSuffix(pattern, "{$}")
}

// concerns notes which image a request is about.
func concerns(r *http.Request, id string) {
	if a := responseOf(r.Context()); a != nil {
		a.image = id
	}
}

// refusedAs notes the code of the problem that a request is answered with.
func refusedAs(r *http.Request, code string) {
	if a := responseOf(r.Context()); a != nil {
		a.code = code
	}
}

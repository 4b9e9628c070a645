// Package web is the web tier: the HTTP API, server-sent events and the page.
//
// It lets uploads in at the door, hands out presigned requests so that bytes and
// pictures travel between browser and S3 directly, shows where each image stands,
// and tells browsers when one is finished. It keeps no state of its own: S3 is the
// record, and any number of instances may run side by side. It hears of finished
// images only through its own queue on the topic processingnotification (Notifier).
//
// Of ours it may import awsclock, backlog, deadletter, event, fault, outage, presence, problem,
// queue, recipe, store, imaging/sniff and its own auth; it never imports another tier.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/outage"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

// Store is what the web tier needs of the two buckets; *store.Store has it.
type Store interface {
	PutSource(ctx context.Context, in store.PutSource) (store.Stored, error)
	PresignUpload(ctx context.Context, in store.PresignUpload) (store.Form, error)
	PresignGet(ctx context.Context, bucket store.Which, key, downloadName string) (string, error)
	Touch(ctx context.Context, id, recipe string, params map[string]string) error
	Stat(ctx context.Context, key string) (*store.Source, error)
	KeyOf(ctx context.Context, id string) (store.SourceInfo, error)
	List(ctx context.Context, cursor string, limit int) (page []store.SourceInfo, next string, err error)
	Manifest(ctx context.Context, id string) (m *recipe.Manifest, etag string, err error)
	Delete(ctx context.Context, id string) error
	Now() time.Time // by S3's clock
}

// Recipes resolves recipes; *recipe.Book does. Keys are those of store.RuleKey.
type Recipes interface {
	Choose(key, name string, raw map[string]string) (string, map[string]string)
	Ignores(key string) bool
	Resolve(name string, raw map[string]string) (*recipe.Job, error)
	Recipes() []recipe.Recipe
}

// Processor is the app tier as the coupled web tier calls it; *coupled.Client is one.
type Processor interface {
	Process(ctx context.Context, u coupled.Upload) (*recipe.Manifest, error)
	Again(ctx context.Context, key, recipe string, params map[string]string) (*recipe.Manifest, error)
}

// Options say what a Server serves and with what.
type Options struct {
	Store   Store
	Recipes Recipes
	// Notifier says where completion messages come from. Without its clients there are no live
	// updates: the page then polls.
	Notifier NotifierOptions
	// Backlog measures the queue, for GET /api/pipeline and metrics; nil: unknown.
	Backlog *backlog.Meter
	// Apps reads what app processes say of themselves; nil: images show as queued until they
	// are done.
	Apps *presence.Reader
	// AppsEvery is how often Apps is asked while somebody listens to events; default 5 s.
	AppsEvery time.Duration
	// DeadLetters deals with the dead-letter queue; nil where there is none.
	DeadLetters DeadLetters

	// Names are the resources' names as the page draws them; the usual ones by default.
	Names Names

	// Processor, where set, makes this the coupled web tier: uploads are handed to it and waited
	// for, no event is expected and nothing goes past this server to S3.
	Processor Processor

	Mode      string // as /api/config reports it; default "decoupled", with a Processor "coupled"
	MaxBytes  int64  // largest upload in bytes; default 50 MB
	MaxPixels int64  // largest width × height; default 100 million
	MaxSide   int    // largest width or height in pixels; default 20,000

	// S3URLs are the URLs under which browsers reach the buckets, for the page's
	// Content-Security-Policy. Empty: taken from what Store presigns.
	S3URLs []string
	// Hosts are the names this server answers to besides localhost and plain addresses,
	// without port. "*" switches the check off.
	Hosts []string
	// Origins are further origins (scheme://host:port) under which the page is served, by a
	// proxy for instance: their names are Hosts too, and their pages may use the API.
	Origins []string
	// Auth says who may use this server; nil: anybody, without limits.
	Auth *auth.Guard
	// CORSOrigins are the origins whose pages may call the API, with tokens where Auth asks for
	// them. Cookies are never taken from there.
	CORSOrigins []string
	// TempDir takes uploads that pass through, each at most MaxBytes; default os.TempDir().
	TempDir string
	// Uploads bounds how many uploads pass through at once; default 32.
	Uploads int
	// Heartbeat is how often an idle event stream is written to; default 15 s.
	Heartbeat time.Duration
	// Replay is how many events are kept for listeners that come back; default 1024.
	Replay int
	// Version is the program's, for the page's footer.
	Version string
	Logger  *slog.Logger
}

// Server is the web tier.
type Server struct {
	o         Options
	log       *slog.Logger
	hosts     []string
	hub       *hub
	notifier  *Notifier // nil: no live updates
	metrics   *metrics
	finished  rates
	latencies latencies
	history   history
	apps      apps
	slots     chan struct{} // one per upload passing through
	heartbeat time.Duration
	started   time.Time
	handler   http.Handler
	cross     *http.CrossOriginProtection
	cors      map[string]bool // CORSOrigins
	mux       *http.ServeMux
	page      *page
	letters   letterCache
	readiness readiness

	originsMu sync.Mutex
	origins   []string // of S3 as browsers see it; nil until known
}

// New makes a Server. It talks to nobody yet.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Recipes == nil {
		return nil, errors.New("web: Options needs Store and Recipes")
	}
	if o.Mode == "" {
		o.Mode = "decoupled"
	}
	if o.Processor != nil {
		o.Mode = "coupled"
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 50_000_000
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = 100_000_000
	}
	if o.MaxSide == 0 {
		o.MaxSide = 20_000
	}
	if o.MaxBytes < 0 || o.MaxPixels < 0 || o.MaxSide < 0 {
		return nil, errors.New("web: limits must be positive")
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.Uploads <= 0 {
		o.Uploads = 32
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.AppsEvery <= 0 {
		o.AppsEvery = 5 * time.Second
	}
	if o.Replay <= 0 {
		o.Replay = 1024
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o: o, log: o.Logger, hub: newHub(o.Replay), metrics: newMetrics(),
		slots: make(chan struct{}, o.Uploads), heartbeat: o.Heartbeat, started: time.Now(), cross: http.NewCrossOriginProtection(),
	}
	for _, h := range o.Hosts {
		s.hosts = append(s.hosts, strings.ToLower(strings.TrimSuffix(strings.TrimSpace(h), ".")))
	}
	for _, o := range o.Origins {
		u, err := url.Parse(o)
		if err != nil {
			return nil, fmt.Errorf("web: origin %q: %w", o, err)
		}
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		s.hosts = append(s.hosts, strings.ToLower(u.Hostname()))
	}
	s.cors = map[string]bool{}
	for _, o := range o.CORSOrigins {
		origin, err := originOf(o)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		s.cors[strings.ToLower(origin)] = true
	}
	for _, u := range o.S3URLs {
		origin, err := originOf(u)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		s.origins = append(s.origins, origin)
	}
	if o.Notifier.SQS != nil || o.Notifier.SNS != nil {
		if o.Notifier.Logger == nil {
			o.Notifier.Logger = o.Logger
		}
		n, err := newNotifier(o.Notifier, s.metrics, s.completed, s.hub.publishResync)
		if err != nil {
			return nil, err
		}
		s.notifier = n
	}
	var err error
	if s.page, err = newPage(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.handler = s.counted(s.secure(s.guarded(s.routes())))
	return s, nil
}

// Handler serves the API and the page. It may be used before and after Run.
func (s *Server) Handler() http.Handler { return s.handler }

// Run receives completion messages and sweeps dead instances' queues until ctx is
// done; then it ends the event streams, so that an http.Server can shut down, and
// removes its own queue. It returns nil: an endpoint that is away is waited for.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	if s.notifier != nil {
		wg.Go(func() { s.notifier.run(ctx) })
		wg.Go(func() { s.notifier.sweepLoop(ctx) })
	}
	wg.Go(func() { s.watchApps(ctx) })
	<-ctx.Done()
	s.hub.close()
	wg.Wait()
	return nil
}

// Ready is nil where this instance can do its work: S3 answers and completion messages
// can be received.
func (s *Server) Ready() error {
	var errs []error
	if err := s.readiness.of(s.reachesStore); err != nil {
		errs = append(errs, fmt.Errorf("uploads bucket: %w", err))
	}
	if err := s.notifierState(); err != nil {
		errs = append(errs, fmt.Errorf("completion messages: %w", err))
	}
	return errors.Join(errs...)
}

func (s *Server) reachesStore() error {
	// Not for the one who asks alone: who goes away must not spoil the others' answer.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, _, err := s.o.Store.List(ctx, "", 1)
	return err
}

func (s *Server) notifierState() error {
	if s.notifier == nil {
		return nil
	}
	return s.notifier.State()
}

// completed takes a completion message and tells the listeners.
func (s *Server) completed(c event.Completion) {
	m := c.Manifest
	if !store.ValidID(c.ImageID) || (m.Status != recipe.Done && m.Status != recipe.Failed) {
		s.metrics.junk.add("")
		s.log.Warn("completion message makes no sense; dropped", "completion", c.ID, "image", c.ImageID, "status", m.Status)
		return
	}
	sent, err := s.hub.publishResult(imageOfManifest(m), resultOf(m))
	if err != nil {
		s.log.Error("completion message cannot be passed on", "image", c.ImageID, "err", err)
		return
	}
	if !sent {
		s.metrics.repeats.add("")
		return
	}
	s.metrics.completions.add(string(m.Status))
	now := time.Now()
	s.finished.add(now, m.Status == recipe.Failed)
	s.latencies.add(now, m.Timings.Finished.Sub(m.Timings.Uploaded))
	s.log.Debug("image finished", "image", c.ImageID, "status", m.Status)
}

// routes are those of the web API; a page without scripts uses "/" and POST /api/images only.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.mux = mux
	mux.HandleFunc("GET /{$}", s.handlePage)
	mux.HandleFunc("GET /images/{id}", s.handleImagePage)
	mux.HandleFunc("GET /pipeline", s.handlePipelinePage)
	mux.HandleFunc("GET /deadletters", s.handleDeadLettersPage)
	mux.HandleFunc("POST /deadletters", s.handleLettersForm)
	mux.HandleFunc("GET /static/{file...}", s.handleStatic)
	mux.HandleFunc("GET /api/config", s.handleConfig)
	mux.HandleFunc("POST /api/uploads", s.handleUploads)
	mux.HandleFunc("POST /api/images", s.handleUpload)
	mux.HandleFunc("GET /api/images", s.handleList)
	mux.HandleFunc("GET /api/images/{id}", s.ofImage(s.handleImage))
	mux.HandleFunc("GET /api/images/{id}/manifest", s.ofImage(s.handleManifest))
	mux.HandleFunc("GET /api/images/{id}/original", s.ofImage(s.handleOriginal))
	mux.HandleFunc("GET /api/images/{id}/outputs/{name}", s.ofImage(s.handleOutput))
	mux.HandleFunc("DELETE /api/images/{id}", s.ofImage(s.handleDelete))
	mux.HandleFunc("POST /api/images/{id}/retry", s.ofImage(s.handleRetry))
	mux.HandleFunc("GET /api/events", s.handleEvents)
	mux.HandleFunc("GET /api/pipeline", s.handlePipeline)
	s.deadLetterRoutes(mux)
	mux.HandleFunc("GET /healthz", s.handleHealth)
	mux.HandleFunc("GET /readyz", s.handleReady)
	mux.HandleFunc("GET /metrics", s.handleMetrics)
	// What is not routed is answered as a problem document too.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		rec := &verdict{header: http.Header{}}
		mux.ServeHTTP(rec, r)
		switch {
		case rec.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", rec.header.Get("Allow"))
			s.fail(w, r, refuse(codeMethod, "Allowed here: "+rec.header.Get("Allow")+".", "%s does not go with this address.", r.Method))
		case rec.status >= 300 && rec.status < 400: // a path that is not in its clean form
			w.Header().Set("Location", rec.header.Get("Location"))
			w.WriteHeader(rec.status)
		default:
			s.fail(w, r, refuse(fault.CodeNotFound, "", "There is nothing under this address."))
		}
	})
}

// verdict takes the ServeMux's own answer for a request without a route, to be told in our words.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }

// limits are what an upload must keep to.
type limits struct {
	MaxBytes  int64    `json:"maxBytes"`
	MaxPixels int64    `json:"maxPixels"`
	MaxSide   int      `json:"maxSide"`
	Formats   []string `json:"formats"` // content types that are taken
}

func (s *Server) limits() limits {
	return limits{MaxBytes: s.o.MaxBytes, MaxPixels: s.o.MaxPixels, MaxSide: s.o.MaxSide, Formats: contentTypes()}
}

func (s *Server) handleConfig(w http.ResponseWriter, r *http.Request) {
	s.writeJSON(w, r, http.StatusOK, struct {
		Mode    string          `json:"mode"`
		Default string          `json:"defaultRecipe"`
		Limits  limits          `json:"limits"`
		Recipes []recipe.Recipe `json:"recipes"`
		Live    bool            `json:"live"` // whether /api/events tells of finished images
		User    *whoami         `json:"user"` // null where nobody is asked
	}{s.o.Mode, recipe.Default, s.limits(), s.o.Recipes.Recipes(), s.notifier != nil || s.o.Processor != nil, newWhoami(r)})
}

func (s *Server) handleHealth(w http.ResponseWriter, r *http.Request) {
	s.writeJSON(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(); err != nil {
		s.log.Info("not ready", "err", err)
		s.writeJSON(w, r, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": notReadyReason(s.notifierState(), err)})
		return
	}
	s.writeJSON(w, r, http.StatusOK, map[string]string{"status": "ready"})
}

// readinessHolds is for how long one look at S3 answers all who ask: anybody may, and it costs
// a request there.
const readinessHolds = time.Second

// readiness is what the last look found.
type readiness struct {
	mu     sync.Mutex
	looked time.Time
	err    error
}

// of asks look, unless somebody did a moment ago.
func (r *readiness) of(look func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) >= readinessHolds {
		r.err = look()
		r.looked = time.Now()
	}
	return r.err
}

// notReadyReason is for anybody to read: which part is missing, and what of it a person must
// mend, without addresses or causes.
func notReadyReason(notifier, all error) string {
	reason := "the uploads bucket cannot be read"
	if notifier != nil {
		reason = "completion messages cannot be received"
	}
	if hint := outage.Of(all).Hint(); hint != "" {
		reason += ": " + hint
	}
	return reason
}

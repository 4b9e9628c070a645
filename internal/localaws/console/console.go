// Package console shows what is in the embedded endpoint, to people in a browser and,
// as far as the mail inbox goes, to scripts: how events flow from buckets through topics
// to queues and mails, with live figures, and everything about each of them.
//
// Looking changes nothing: messages are not received by being looked at. What does
// change something (sending, publishing, purging, redriving) is an operation of the
// service itself, so it is checked as any client's call, and is taken from the console's
// own pages alone. Pages come whole from the server and can be read without scripts;
// scripts keep them up to date. Nothing is asked of any other server, and everything
// stored is escaped: it is not trusted.
//
// It imports s3, sqs, sns and mail, to read, and wire, to call operations.
package console

import (
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/sns"
	"github.com/tintype/tintype/internal/localaws/sqs"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// Options configure New. All but Metrics and Logger are required.
type Options struct {
	// Endpoint is the URL of S3, SNS and SQS, to be shown.
	Endpoint        string
	Account, Region string
	AccessKey       string // of the user on whose behalf the console sends and publishes
	S3              *s3.Service
	SQS             *sqs.Service
	SNS             *sns.Service
	Mail            *mail.Service
	Metrics         http.Handler // answers GET /metrics; nil: there is no such page
	Logger          *slog.Logger // nil: nothing is logged
}

// Console serves the console. Close ends its live streams, which else last as long as
// somebody looks.
type Console struct {
	opts   Options
	log    *slog.Logger
	pages  map[string]*template.Template
	static map[string]asset
	sqsAPI *wire.Service
	snsAPI *wire.Service
	guard  http.Handler
	now    func() time.Time

	streams chan struct{} // a place for each live stream
	closing chan struct{}
	once    sync.Once
}

// New makes the console.
func New(opts Options) (*Console, error) {
	if opts.S3 == nil || opts.SQS == nil || opts.SNS == nil || opts.Mail == nil {
		return nil, errors.New("console: a service to be shown is missing")
	}
	c := &Console{
		opts: opts, log: opts.Logger, now: time.Now, sqsAPI: opts.SQS.Wire(), snsAPI: opts.SNS.Wire(),
		streams: make(chan struct{}, maxStreams), closing: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.pages, err = loadPages(func() time.Time { return c.now() }); err != nil {
		return nil, err
	}
	if c.static, err = loadStatic(); err != nil {
		return nil, err
	}
	c.guard = c.guarded(c.routes())
	return c, nil
}

// ServeHTTP serves one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.guard.ServeHTTP(w, r) }

// Close ends the live streams. It may be called twice.
func (c *Console) Close() { c.once.Do(func() { close(c.closing) }) }

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	for path, build := range map[string]pageFunc{
		"/{$}":                     c.overview,
		"/buckets":                 c.buckets,
		"/buckets/{bucket}":        c.bucket,
		"/buckets/{bucket}/object": c.object,
		"/topics":                  c.topics,
		"/topics/{topic}":          c.topic,
		"/queues":                  c.queues,
		"/queues/{queue}":          c.queue,
		"/queues/{queue}/{seq}":    c.message,
		"/inbox":                   c.inbox,
	} {
		mux.Handle("GET "+path, c.page(build))
	}
	for path, act := range map[string]actionFunc{
		"/topics/{topic}/publish":      c.publish,
		"/queues/{queue}/send":         c.send,
		"/queues/{queue}/purge":        c.purge,
		"/queues/{queue}/redrive":      c.redrive,
		"/queues/{queue}/redrive-stop": c.redriveStop,
		"/queues/{queue}/{seq}/delete": c.deleteMessage,
		"/inbox/delete":                c.clearInbox,
		"/inbox/{id}/delete":           c.deleteMail,
	} {
		mux.Handle("POST "+path, c.action(act))
	}
	mail := c.page(c.mail)
	mux.HandleFunc("GET /inbox/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, ok := strings.CutSuffix(r.PathValue("id"), ".json"); ok {
			c.mailJSON(w, r, id)
			return
		}
		mail.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /inbox.json", c.inboxJSON)
	mux.HandleFunc("GET /inbox/{id}/raw", c.mailRaw)
	mux.HandleFunc("GET /queues/{queue}/{seq}/body", c.messageBody)
	mux.HandleFunc("GET /buckets/{bucket}/download", c.download)
	mux.HandleFunc("GET /buckets/{bucket}/preview", c.preview)
	mux.HandleFunc("GET /static/{file}", c.serveStatic)
	if c.opts.Metrics != nil {
		mux.Handle("GET /metrics", c.opts.Metrics)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			c.problem(w, r, &problem{http.StatusMethodNotAllowed, "There is nothing to be changed here.", ""})
			return
		}
		c.problem(w, r, notHere("There is no such page."))
	})
	return mux
}

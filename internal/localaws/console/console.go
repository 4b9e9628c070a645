// Package console shows what is in the embedded endpoint, to people in a browser and,
// as far as the mail inbox goes, to scripts: buckets and their notifications, topics
// and subscriptions, queues and the messages in them, mails.
//
// It only reads: nothing in it changes anything, receiving included, so looking at a
// queue leaves its messages as they are. Pages come from the server alone, without
// scripts and without requests to anywhere else, and everything stored is escaped.
//
// It imports sns and mail; buckets and queues are reached through interfaces.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/sns"
)

// ErrNotFound is what Queues answers, perhaps wrapped, for a queue that does not exist.
var ErrNotFound = errors.New("not found")

// Bucket is a bucket of S3.
type Bucket struct {
	Name           string
	Created        time.Time
	Objects, Bytes int64
	Notifications  []Notification
}

// Notification is one entry of a bucket's notification configuration.
type Notification struct {
	ID             string
	Target         string   // ARN of a topic or queue
	Events         []string // "s3:ObjectCreated:*"
	Prefix, Suffix string   // of keys; may be empty
}

// Queue is a queue of SQS. Its three counts are of this moment and never overlap.
type Queue struct {
	Name, ARN string
	// Attributes are those that were set and those with defaults, without the counts.
	Attributes                 map[string]string
	Visible, InFlight, Delayed int64
}

// Message is a message in a queue.
type Message struct {
	ID         string
	Sent       time.Time
	Visible    time.Time         // when it can be received (again); past: now
	Receives   int               // how often it was received so far
	Delayed    bool              // not to be received before Visible since it was sent so
	Attributes map[string]string // name to value as text
	Body       string
}

// Buckets gives the buckets, by name.
type Buckets interface {
	ConsoleBuckets(ctx context.Context) ([]Bucket, error)
}

// Queues gives the queues, by name, and the oldest messages of one, without receiving
// them.
type Queues interface {
	ConsoleQueues(ctx context.Context) ([]Queue, error)
	ConsoleMessages(ctx context.Context, queue string, limit int) ([]Message, error)
}

// Options configure New. All but Logger are required.
type Options struct {
	// Endpoint is the URL of S3, SNS and SQS, to be shown.
	Endpoint string
	Buckets  Buckets
	Queues   Queues
	Topics   *sns.Service
	Mail     *mail.Service
	Logger   *slog.Logger // nil: nothing is logged
}

//go:embed pages
var files embed.FS

type console struct {
	opts  Options
	log   *slog.Logger
	pages map[string]*template.Template
	style []byte
	now   func() time.Time
}

// New makes the console.
func New(opts Options) (http.Handler, error) {
	if opts.Buckets == nil || opts.Queues == nil || opts.Topics == nil || opts.Mail == nil {
		return nil, errors.New("console: a source of buckets, queues, topics or mails is missing")
	}
	c := &console{opts: opts, log: opts.Logger, pages: map[string]*template.Template{}, now: time.Now}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range []string{"overview", "queue", "inbox", "mail", "problem"} {
		t, err := template.New("layout.html").Funcs(functions(func() time.Time { return c.now() })).ParseFS(files, "pages/layout.html", "pages/mails.html", "pages/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("console: page %s: %w", name, err)
		}
		c.pages[name] = t
	}
	var err error
	if c.style, err = fs.ReadFile(files, "pages/style.css"); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", c.overview)
	mux.HandleFunc("/queues/{name}", c.queue)
	mux.HandleFunc("/inbox", c.inbox)
	mux.HandleFunc("/inbox.json", c.inboxJSON)
	mux.HandleFunc("/inbox/{id}", c.mail)
	mux.HandleFunc("/inbox/{id}/raw", c.mailRaw)
	mux.HandleFunc("/style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		c.write(w, c.style)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, http.StatusNotFound, "There is no such page.")
	})
	return c.guard(mux), nil
}

// policy lets pages load the one style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses what is no plain look from a person or script on this machine, and
// sets the headers that all answers have.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // mails have links with tokens
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			c.problem(w, r, http.StatusMethodNotAllowed, "The console only shows; it changes nothing.")
		case !trustedHost(r.Host):
			c.problem(w, r, http.StatusForbidden, "Open the console by its address or as localhost, not under the name "+r.Host+".")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// trustedHost keeps strange web sites out that have their own name point to this
// machine (DNS rebinding): addresses, localhost and names without a dot, which are
// nobody's on the internet, are taken.
func trustedHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.Trim(host, "[]")
	return net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}

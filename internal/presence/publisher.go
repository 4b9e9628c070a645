package presence

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// idleFactor is how much longer the interval of a process without work is.
	idleFactor = 6
	// callTimeout bounds one write or delete.
	callTimeout = 5 * time.Second
	// maxPause is the longest pause between tries while writing fails.
	maxPause = 5 * time.Minute
)

// PublisherOptions say what is published, and where. All but Logger are required.
type PublisherOptions struct {
	S3     *s3.Client
	Bucket string // the results bucket
	// Every is how often a process with images in work says so; without, a sixth as often.
	Every time.Duration
	// Program is the name and version of this program.
	Program string
	// State says what the process does at this moment. What it does not know, ID, Host, PID,
	// Program, Started, Seen, Interval and Draining, is filled in.
	State func() App
	// Logger gets a line when writing begins to fail and when it succeeds again. Default: none.
	Logger *slog.Logger
}

// Publisher keeps this process's presence in the bucket.
type Publisher struct {
	o    PublisherOptions
	log  *slog.Logger
	self App // what does not change

	changed  chan struct{} // to Run: there is something new to tell
	urgent   chan struct{} // to Run: and it must not wait
	draining atomic.Bool
}

// NewPublisher makes a Publisher with an id of its own. It writes nothing before Run.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	switch {
	case o.S3 == nil || o.Bucket == "" || o.State == nil:
		return nil, errors.New("presence: S3, Bucket and State are all needed")
	case o.Every <= 0 || o.Every*idleFactor > maxPeriod:
		return nil, fmt.Errorf("presence: every %v: up to %v are allowed", o.Every, maxPeriod/idleFactor)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "host" // for operators only
	}
	p := &Publisher{o: o, log: o.Logger, changed: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
	p.self = App{ID: newID(host), Host: host, PID: os.Getpid(), Program: o.Program, Started: time.Now().UTC()}
	return p, nil
}

// newID is the host's name, as far as it is safe, and a random part.
func newID(host string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host)
	name = strings.Trim(name[:min(len(name), maxID/2)], "-")
	if name == "" {
		name = "host"
	}
	return name + "-" + strings.ToLower(rand.Text()[:10])
}

// ID is this process's id.
func (p *Publisher) ID() string { return p.self.ID }

// Changed says that the images in work are others now. It never waits.
func (p *Publisher) Changed() { wake(p.changed) }

// Drain says that the process receives nothing more. It never waits.
func (p *Publisher) Drain() {
	p.draining.Store(true)
	wake(p.urgent)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run writes the presence until ctx ends, then deletes it. It returns nil: that nobody can
// be told is no reason to stop working. There is at most one request at a time, never
// repeated by the SDK: while writing fails the pauses grow.
func (p *Publisher) Run(ctx context.Context) error {
	var last time.Time // of the last try
	pause := time.Duration(0)
	failures := 0
	next := time.NewTimer(0)
	defer next.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-p.changed:
			if failures == 0 {
				pause = min(pause, p.o.Every)
				next.Reset(max(pause-time.Since(last), 0))
			}
			continue
		case <-p.urgent:
			if failures > 0 {
				continue
			}
		case <-next.C:
		}
		var err error
		last = time.Now()
		pause, err = p.write(ctx)
		if err != nil {
			failures++
			pause = min(pause<<min(failures, 16), maxPause)
		}
		p.report(err, failures, pause)
		if err == nil {
			failures = 0
		}
		next.Reset(pause)
	}
	if !last.IsZero() {
		p.remove(ctx)
	}
	return nil
}

// report logs where writing begins or ceases to fail.
func (p *Publisher) report(err error, failures int, pause time.Duration) {
	switch {
	case err != nil && failures == 1:
		p.log.Warn("cannot say in the results bucket that this process is there; work goes on, pages will not show it",
			"key", Key(p.self.ID), "err", err, "next_try", pause, "hint", "the app tier needs s3:PutObject and s3:DeleteObject there; --presence 0 ends the tries")
	case err == nil && failures > 0:
		p.log.Info("pages can show this process again", "key", Key(p.self.ID))
	}
}

// write stores the presence of this moment and returns the time after which the next is due.
func (p *Publisher) write(ctx context.Context) (time.Duration, error) {
	a := p.o.State()
	a.ID, a.Host, a.PID, a.Program, a.Started = p.self.ID, p.self.Host, p.self.PID, p.self.Program, p.self.Started
	a.Seen, a.Draining = time.Now().UTC(), p.draining.Load()
	every := p.o.Every
	if len(a.InWork) == 0 && !a.Draining {
		every *= idleFactor
	}
	a.Interval = every.Seconds()
	body, err := a.encode()
	if err != nil {
		return every, err
	}
	// Not cut off by a stop: a write that arrives after the delete would outlive the process.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_, err = p.o.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.o.Bucket, Key: aws.String(Key(p.self.ID)), Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentType: aws.String("application/json"), CacheControl: aws.String("no-store"),
	}, once)
	return every, err
}

// remove deletes the presence: whoever looks next sees nobody, instead of somebody who has
// not been heard of for a while.
func (p *Publisher) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if _, err := p.o.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.o.Bucket, Key: aws.String(Key(p.self.ID))}, once); err != nil {
		p.log.Info("the presence of this process could not be deleted; it will be seen as stale", "key", Key(p.self.ID), "err", err)
	}
}

// once keeps the SDK from repeating a request.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }

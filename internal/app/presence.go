package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/recipe"
)

// presences reads what app processes say of themselves; nil where that is switched off.
func (d *deployment) presences(cfg config.Config, log *slog.Logger) *presence.Reader {
	if cfg.Presence == 0 {
		return nil
	}
	return presence.NewReader(d.clients.S3, d.spec.ResultsBucket, true, log)
}

// backlog measures the work queue. What is known of app processes may be as old as their
// own word is.
func (d *deployment) backlog(cfg config.Config, res provision.Resources, apps *presence.Reader) *backlog.Meter {
	return backlog.New(backlog.Options{SQS: d.clients.SQS, QueueURL: res.QueueURL, DeadLetterURL: res.DeadLetterQueueURL, Apps: apps, AppsAge: cfg.Presence})
}

// inWork tells commands what app processes have in work.
type inWork struct {
	reader *presence.Reader
	log    *slog.Logger
	said   bool
}

func (d *deployment) inWork(log *slog.Logger) *inWork {
	return &inWork{reader: presence.NewReader(d.clients.S3, d.spec.ResultsBucket, false, nil), log: log}
}

// mark says of images that wait which are in work; nobody is asked where none waits.
func (i *inWork) mark(ctx context.Context, docs ...*imageDoc) {
	for _, doc := range docs {
		if doc.Status != recipe.Queued {
			continue
		}
		seen, err := i.reader.Recent(ctx, time.Second)
		if err != nil {
			if !i.said {
				i.log.Info("cannot see what app processes have in work", "err", err)
			}
			i.said = true
			return
		}
		if n, ok := presence.InWork(seen)[doc.ID]; ok && n.Key == doc.Key {
			doc.Status, doc.Attempts, doc.App = recipe.Processing, n.Attempt, n.App
		}
	}
}

// run works off the queue until ctx ends, and meanwhile says so to whoever wants to know.
func (s *appStatus) run(ctx context.Context, cfg config.Config, d *deployment, log *slog.Logger) error {
	at := s.at.Load()
	if cfg.Presence == 0 {
		return at.queue.Run(ctx)
	}
	p, err := presence.NewPublisher(presence.PublisherOptions{
		S3: d.clients.S3, Bucket: d.spec.ResultsBucket, Every: cfg.Presence, Program: Program(), Logger: log,
		State: s.stating(cfg.App.Workers, slots(cfg)),
	})
	if err != nil {
		return err
	}
	s.publisher.Store(p)
	return runAll(ctx, log,
		service{"presence", p.Run},
		service{"queue engine", func(ctx context.Context) error {
			defer context.AfterFunc(ctx, p.Drain)()
			return at.queue.Run(ctx)
		}},
	)
}

// changed says that the images in work are others now.
func (s *appStatus) changed() {
	if p := s.publisher.Load(); p != nil {
		p.Changed()
	}
}

// stating returns what tells this process's state. It is called by one goroutine.
func (s *appStatus) stating(workers, slots int) func() presence.App {
	var received rateMeter
	return func() presence.App {
		at := s.at.Load()
		q, i := at.queue.Stats(), at.worker.Stats()
		a := presence.App{
			Workers: workers, Slots: slots, Held: int(q.Held), InWork: []presence.Work{},
			Done: i.Done, Failed: i.Failed, ReceivedPerMinute: received.perMinute(time.Now(), q.Received),
		}
		if a.Ready, a.Reason = at.queue.Ready(); a.Ready {
			oldest := q.OldestAge.Seconds()
			a.OldestAge = &oldest
		}
		for _, w := range at.worker.InWork() {
			a.InWork = append(a.InWork, presence.Work{ID: w.ID, Key: w.Key, Attempt: w.Attempt, Since: w.Since})
		}
		return a
	}
}

// rateMeter makes a rate of a count that is looked at now and then.
type rateMeter struct {
	looks []reading // of the last minute, and the one before that
}

type reading struct {
	at    time.Time
	count int64
}

// perMinute is the count's rate over about the last minute, or since the first look.
func (r *rateMeter) perMinute(now time.Time, count int64) float64 {
	for len(r.looks) > 1 && now.Sub(r.looks[1].at) >= time.Minute {
		r.looks = r.looks[1:]
	}
	r.looks = append(r.looks, reading{now, count})
	first := r.looks[0]
	if span := now.Sub(first.at); span > 0 {
		return float64(count-first.count) / span.Minutes()
	}
	return 0
}

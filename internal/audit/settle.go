package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/store"
)

// letters is a set of originals that messages speak of. It keeps a hash of each: a million
// take some tens of megabytes, and that two are alike is not to be expected.
type letters struct {
	seed   maphash.Seed
	set    map[uint64]struct{}
	unseen int64 // messages that could not be looked at
}

func (l *letters) hash(key, etag string) uint64 { return maphash.String(l.seed, etag+"\n"+key) }

// has reports whether a message speaks of the original as it stands. One of an older content
// is of no use to it.
func (l *letters) has(key, etag string) bool {
	_, ok := l.set[l.hash(key, etag)]
	_, any := l.set[l.hash(key, "")]
	return ok || any
}

// read looks at a queue.
func (a *auditor) read(ctx context.Context, look Letters) (*letters, error) {
	l := &letters{seed: maphash.MakeSeed(), set: map[uint64]struct{}{}}
	bucket := a.opts.Store.Bucket(store.Uploads)
	var err error
	l.unseen, err = look(ctx, func(body string) {
		p, err := event.Parse([]byte(body))
		if err != nil {
			return
		}
		for _, u := range p.Uploads {
			if u.Bucket == bucket {
				l.set[l.hash(u.Key, u.ETag)] = struct{}{}
			}
		}
	})
	return l, err
}

// view is what the queues look like at one time.
type view struct {
	counts Counts
	dead   *letters // nil: not looked at
	queued *letters // nil: not looked at
}

// view asks for the figures twice, with a pause between: SQS puts them together from many
// servers, and a message on its way from the topic is in none of them. Of each, the higher
// one holds.
func (a *auditor) view(ctx context.Context) (v view, err error) {
	for i := range 2 {
		if i > 0 && v.counts.Pending() == 0 {
			if err := sleep(ctx, a.opts.Settle); err != nil {
				return v, err
			}
		}
		c, err := a.opts.Queue(ctx)
		if err != nil {
			return v, err
		}
		v.counts = Counts{max(v.counts.Waiting, c.Waiting), max(v.counts.InFlight, c.InFlight), max(v.counts.Delayed, c.Delayed), max(v.counts.DeadLetters, c.DeadLetters)}
	}
	if a.opts.DeadLetters != nil && v.counts.DeadLetters > 0 {
		if v.dead, err = a.read(ctx, a.opts.DeadLetters); err != nil {
			return v, err
		}
	}
	if a.opts.Messages != nil && v.counts.Pending() > 0 {
		v.queued, err = a.read(ctx, a.opts.Messages)
	}
	return v, err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// place says where the message of an original without a result is: "" where there is none.
func (v *view) place(r record) stand {
	switch {
	case v.dead != nil && v.dead.has(r.key, r.etag):
		return stand{state: DeadLettered}
	case v.queued != nil && v.queued.has(r.key, r.etag):
		return stand{state: Queued, seen: true}
	case v.counts.Pending() > 0 && (v.queued == nil || v.queued.unseen > 0):
		return stand{state: Queued}
	case v.counts.DeadLetters > 0 && (v.dead == nil || v.dead.unseen > 0):
		return stand{state: Unknown}
	}
	return stand{}
}

// settle finds out what is the matter with the originals that have no current result. What
// looks lost is looked at again, with the queues before and after: between one look and
// another a message may go from a dead-letter queue through the queue to a result.
func (a *auditor) settle(ctx context.Context) error {
	if a.candidates.n == 0 {
		var err error
		a.report.Queue, err = a.opts.Queue(ctx)
		return err
	}
	first, err := a.view(ctx)
	if err != nil {
		return err
	}
	a.report.Queue = first.counts
	suspects := &spool{dir: a.opts.TempDir}
	defer suspects.close()
	if err := a.recheck(ctx, &a.candidates, &first, func(r record) error { return suspects.add(r) }); err != nil {
		return err
	}
	a.short(first.counts)
	if suspects.n == 0 {
		return nil
	}
	second, err := a.view(ctx)
	if err != nil {
		return err
	}
	a.report.Queue = second.counts
	if second.counts.Pending() > 0 && first.counts.Pending() == 0 && second.queued == nil {
		// Messages have come since. Whose they are nobody can say.
		return a.recheck(ctx, suspects, &second, nil)
	}
	return a.recheck(ctx, suspects, &second, func(r record) error {
		a.report.Images.add(stand{state: Lost})
		a.found(Finding{Code: LostUpload, ID: r.id, Key: r.key, Detail: "there is no current result, and no message in the queue or the dead-letter queue that would bring one" + r.note,
			Hint: "`tintype backfill` sends it through the pipeline again; `tintype doctor` checks the wiring"})
		return nil
	})
}

// short warns where uploads without a result are more than the messages that might be theirs.
// S3 writes an event for each; but a message may speak of several, so nothing is lost for sure.
func (a *auditor) short(c Counts) {
	if n := a.report.Images.Queued - a.report.Images.QueuedSeen; n > c.Pending() && c.Pending() > 0 {
		a.found(Finding{Code: ShortQueue, Detail: fmt.Sprintf("%d uploads without a result count as queued, and the queue has %d messages", n, c.Pending()),
			Hint: "look again when the queue is empty, or with --peek, which looks into it"})
	}
}

// recheck looks again at each original of a spool, and at where its message may be. What is
// in no place is left to missing, which is called under a.mu; nil: it is moving.
func (a *auditor) recheck(ctx context.Context, from *spool, v *view, missing func(record) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.opts.Concurrency)
	for r, err := range from.all() {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			s, r, err := a.recheckOne(ctx, r, v)
			if err != nil {
				return err
			}
			if s.state == Queued && missing == nil && !s.seen {
				s.state = Moving
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			switch {
			case s.state == "" && missing == nil:
				a.report.Images.add(stand{state: Moving})
			case s.state == "":
				return missing(r)
			default:
				a.report.Images.add(s)
			}
			return nil
		})
	}
	return g.Wait()
}

// recheckOne is where one original stands now. Its message is looked for first: where it has
// one, S3 need not be asked.
func (a *auditor) recheckOne(ctx context.Context, r record, v *view) (stand, record, error) {
	if s := v.place(r); s.state != "" {
		return s, r, nil
	}
	src, err := a.opts.Store.Stat(ctx, r.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return stand{state: Moving}, r, nil // deleted meanwhile
	case err != nil:
		return stand{}, r, err
	case src.ETag != r.etag:
		return stand{state: Moving}, r, nil // overwritten meanwhile
	case time.Since(src.LastModified) < a.opts.Grace:
		return stand{state: Queued}, r, nil // on its way
	}
	m, _, err := a.opts.Store.Manifest(ctx, r.id)
	switch {
	case errors.Is(err, store.ErrUnreadable), errors.Is(err, store.ErrNotFound):
		return stand{}, r, nil
	case err != nil:
		return stand{}, r, err
	}
	if code, _ := a.unfit(m); code != "" {
		return stand{}, r, nil
	}
	info := r.source()
	info.LastModified = src.LastModified
	s, err := a.stand(ctx, info, m)
	r.note = ""
	if s.state == "" && m.Source.Key == r.key {
		r.note = "; the result that is there is of what was there before"
	}
	return s, r, err
}

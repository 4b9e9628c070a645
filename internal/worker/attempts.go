package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	record "github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
)

// Attempts is what a worker needs of *store.Store to keep records of what failed.
type Attempts interface {
	Attempts(ctx context.Context, messageID string) (*record.Record, string, error)
	PutAttempts(ctx context.Context, r *record.Record, prevETag string) (string, error)
	DeleteAttempts(ctx context.Context, messageIDs ...string) error
}

const (
	// recordTimeout bounds everything that is done for a record at once: no image waits
	// long for one that cannot be written.
	recordTimeout = 3 * time.Second
	// recordTries is how often a conflict over a record is fought out.
	recordTries = 3
)

// hostname is this machine's name, for records; "" where nobody knows.
var hostname = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return name
})

// trial is one receive of a message, as its record will tell of it.
//
// A process that dies cannot say so. So from the second receive on the beginning is
// written before the work; where no end follows, whoever reads it knows. The first
// receive writes nothing unless it fails: what goes well, as nearly all does, costs no request.
//
// What waits in hand for a service that is down is one attempt, however often it is tried.
//
// Nothing about a record ever fails the work.
type trial struct {
	keep Attempts // nil: no records
	log  *slog.Logger
	msg  queue.Message
	now  record.Attempt
	err  error // the cause, so far

	known *record.Record // what the bucket holds, as far as we know; nil: ask
	etag  string
}

// attempt begins a trial.
func (w *Worker) attempt(ctx context.Context, log *slog.Logger, m queue.Message) *trial {
	t := &trial{keep: w.opts.Attempts, log: log, msg: m, now: record.Attempt{
		Attempt: m.ReceiveCount, Host: hostname(), PID: os.Getpid(), Program: w.opts.Program, Started: time.Now(),
	}}
	switch {
	case t.first(): // nobody had it before
		t.known = &record.Record{MessageID: m.ID}
	case t.keep != nil && m.Try <= 1: // a further try in hand is of the same attempt
		t.write(ctx)
	}
	return t
}

// first says that nothing can be on record yet.
func (t *trial) first() bool { return t.msg.ReceiveCount <= 1 && t.msg.Try <= 1 }

// failed notes why a message must come again: of several causes the first, unless a later
// one wants somebody to mend it.
func (t *trial) failed(key string, err error) {
	if t.err != nil && (fault.KindOf(t.err) == fault.Bug || fault.KindOf(err) != fault.Bug) {
		return
	}
	t.err = err
	t.now.Key, t.now.Code, t.now.Message, t.now.Hint = key, fault.CodeOf(err), err.Error(), fault.HintOf(err)
	if key == "" {
		t.now.Code = record.CodeJunk
	}
}

// end writes how it went, or removes the record of a message that has come to its end.
func (t *trial) end(ctx context.Context, o queue.Outcome) {
	switch {
	case t.keep == nil:
		return
	case o == queue.Ack():
		if !t.first() {
			t.remove(ctx)
		}
		return
	case o.Held() && t.msg.Try > 1:
		return // the first try has said it, and what is down may be what a record needs
	case ctx.Err() != nil && t.first():
		return // cut short, not failed
	case ctx.Err() != nil:
		t.now.Code, t.now.Message, t.now.Hint = record.CodeGivenBack, "the process was told to stop and gave the message back", ""
		if errors.Is(context.Cause(ctx), queue.ErrLeaseLost) {
			t.now.Code, t.now.Message = record.CodeLeaseLost, "the message went to another worker before this one had finished"
		}
	case t.err == nil: // only a panic gets here
		t.now.Code, t.now.Message, t.now.Hint = record.CodePanic, "the program failed over it in a way that nobody foresaw", "the app tier's log says where, under this message's id; report it"
	}
	ended := time.Now()
	t.now.Ended = &ended
	t.write(ctx)
}

// write adds this trial to the record, or puts it right there.
func (t *trial) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var err error
	for range recordTries {
		if err = t.load(ctx); err != nil {
			break
		}
		t.known.Put(t.now)
		if t.etag, err = t.keep.PutAttempts(ctx, t.known, t.etag); err == nil {
			return
		}
		t.known = nil
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	t.log.Warn("the record of this attempt cannot be written", "error", err)
}

// load reads the record, unless it is known already.
func (t *trial) load(ctx context.Context) error {
	if t.known != nil {
		return nil
	}
	r, etag, err := t.keep.Attempts(ctx, t.msg.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnreadable): // what is no record is replaced
		r = &record.Record{MessageID: t.msg.ID}
	case err != nil:
		return err
	}
	t.known, t.etag = r, etag
	return nil
}

func (t *trial) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := t.keep.DeleteAttempts(ctx, t.msg.ID); err != nil {
		t.log.Warn("the record of earlier attempts cannot be removed", "error", err)
	}
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	record "github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

func TestAttemptsOnRealEndpoint(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		t.Run("Life", func(t *testing.T) { testAttemptsLife(t, endpoint) })
		t.Run("Junk", func(t *testing.T) { testAttemptsJunk(t, endpoint) })
		t.Run("CutShort", func(t *testing.T) { testAttemptsCutShort(t, endpoint) })
		t.Run("Held", func(t *testing.T) { testAttemptsHeld(t, endpoint) })
		t.Run("CannotBeWritten", func(t *testing.T) { testAttemptsCannotBeWritten(t, endpoint) })
		t.Run("Unreadable", func(t *testing.T) { testAttemptsUnreadable(t, endpoint) })
		t.Run("SentAgain", func(t *testing.T) { testSentAgain(t, endpoint) })
	})
}

// counted counts what a worker asks of the records.
type counted struct {
	*store.Store
	calls atomic.Int64
}

func (c *counted) PutAttempts(ctx context.Context, r *record.Record, etag string) (string, error) {
	c.calls.Add(1)
	return c.Store.PutAttempts(ctx, r, etag)
}

func (c *counted) DeleteAttempts(ctx context.Context, ids ...string) error {
	c.calls.Add(1)
	return c.Store.DeleteAttempts(ctx, ids...)
}

// refusing is an announcer that may not.
type refusing struct{ err error }

func (r *refusing) Announce(context.Context, event.Completion) error { return r.err }

// imagingFunc stands before the engine, to watch or to spoil it.
type imagingFunc struct {
	Imaging
	process func(context.Context, imaging.Request) (*imaging.Picture, error)
}

func (f imagingFunc) Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
	return f.process(ctx, req)
}

func (b *bench) onRecord(id string) *record.Record {
	b.t.Helper()
	r, _, err := b.Attempts(b.t.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// again is some outcome that is no acknowledgement.
func (b *bench) again(m queue.Message) {
	b.t.Helper()
	if got := b.worker.Handle(b.t.Context(), m); got == queue.Ack() {
		b.t.Fatalf("the outcome is %v", got)
	}
}

func testAttemptsLife(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	keep := &counted{Store: b.Store}
	denied := &refusing{&fault.Error{Op: "announce", Kind: fault.Bug, Code: fault.CodeInternal, Message: "may not", Hint: "mend the policy",
		Err: errors.New(`AccessDenied for AKIAIOSFODNN7EXAMPLE at "https://sns.test/?X-Amz-Signature=abc"`)}}
	b.worker = b.newWorker(func(o *Options) { o.Attempts, o.Announcer = keep, denied })
	u := b.upload("a.jpg", picture(20, 10, 1), "", nil)

	b.again(message(1, u))
	r := b.onRecord("message-1")
	if r == nil || len(r.Attempts) != 1 {
		t.Fatalf("after the first attempt: %+v", r)
	}
	a := r.Attempts[0]
	if a.Attempt != 1 || a.PID != os.Getpid() || a.Program != "tintype test" || a.Started.IsZero() || a.Ended == nil || a.Ended.Before(a.Started) ||
		a.Code != fault.CodeInternal || a.Key != "a.jpg" || a.Hint != "mend the policy" || !strings.Contains(a.Message, "AccessDenied") {
		t.Errorf("the first attempt is %+v", a)
	}
	if strings.Contains(a.Message, "AKIA") || strings.Contains(a.Message, "Signature=") {
		t.Errorf("a secret is on record: %s", a.Message)
	}

	// While the second is at work its beginning is on record, and reads as a process that died.
	var atWork *record.Record
	b.worker = b.newWorker(func(o *Options) {
		o.Attempts = keep
		o.Imaging = imagingFunc{b.engine, func(context.Context, imaging.Request) (*imaging.Picture, error) {
			atWork = b.onRecord("message-1")
			panic("nobody foresaw this")
		}}
	})
	u = b.upload("a.jpg", picture(20, 10, 2), "", nil)
	func() {
		defer func() { _ = recover() }()
		b.worker.Handle(t.Context(), message(2, u))
		t.Error("it did not panic")
	}()
	if last, ok := atWork.Last(); !ok || last.Attempt != 2 || last.Code != record.CodeDied || !strings.Contains(last.Message, fmt.Sprint(os.Getpid())) || len(atWork.Attempts) != 2 {
		t.Errorf("at work: %+v", atWork)
	}
	if r := b.onRecord("message-1"); len(r.Attempts) != 2 || r.Attempts[1].Code != record.CodePanic || r.Attempts[1].Ended == nil {
		t.Errorf("after the panic: %+v", r)
	}

	b.worker = b.newWorker(func(o *Options) { o.Attempts = keep })
	b.handle(message(3, u), queue.Ack())
	if r := b.onRecord("message-1"); r != nil {
		t.Errorf("the message has ended well, and %+v is there", r)
	}
	if m := b.result("a.jpg"); m.Status != recipe.Done || m.Attempts != 3 {
		t.Errorf("%+v", m)
	}

	before := keep.calls.Load()
	b.handle(message(1, b.upload("b.jpg", picture(20, 10, 3), "", nil)), queue.Ack())
	if n := keep.calls.Load() - before; n != 0 {
		t.Errorf("an image that went well cost %d requests for a record", n)
	}
}

func testAttemptsJunk(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	b.worker = b.newWorker(func(o *Options) { o.Attempts = b.Store })
	for n := range 12 {
		b.again(queue.Message{ID: "junk-1", Body: "\x1b]0;owned\x07 \u202ejunk", ReceiveCount: n + 1})
	}
	r := b.onRecord("junk-1")
	last, _ := r.Last()
	if len(r.Attempts) != record.MaxAttempts || last.Attempt != 12 || last.Code != record.CodeJunk || last.Hint == "" || strings.ContainsAny(last.Message, "\x1b\x07\u202e") {
		t.Errorf("%d attempts, the last is %+v", len(r.Attempts), last)
	}
	// An id that SQS would not give is no way to other keys.
	b.again(queue.Message{ID: "../../x", Body: "junk", ReceiveCount: 2})
}

func testAttemptsCutShort(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	for i, c := range []struct {
		receives int
		cause    error
		code     string // "": no record
	}{{1, queue.ErrDraining, ""}, {2, queue.ErrDraining, record.CodeGivenBack}, {2, queue.ErrLeaseLost, record.CodeLeaseLost}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		b.worker = b.newWorker(func(o *Options) {
			o.Attempts = b.Store
			o.Imaging = imagingFunc{b.engine, func(ctx context.Context, _ imaging.Request) (*imaging.Picture, error) {
				cancel(c.cause)
				return nil, context.Cause(ctx)
			}}
		})
		m := message(c.receives, b.upload(fmt.Sprintf("%d.jpg", i), picture(20, 10, 1), "", nil))
		m.ID = fmt.Sprintf("message-%d", i)
		if got := b.worker.Handle(ctx, m); got == queue.Ack() {
			t.Errorf("%d: %v", i, got)
		}
		r := b.onRecord(m.ID)
		if c.code == "" != (r == nil) || r != nil && (len(r.Attempts) != 1 || r.Attempts[0].Code != c.code || r.Attempts[0].Ended == nil) {
			t.Errorf("%d: %+v, want %q", i, r, c.code)
		}
	}
}

// testAttemptsHeld: a message waits in hand for a service. That is on record, written once.
func testAttemptsHeld(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	keep := &counted{Store: b.Store}
	b.worker = b.newWorker(func(o *Options) {
		o.Attempts, o.Announcer = keep, &refusing{&fault.Error{Code: fault.CodeUnavailable, Message: "SNS is away", Outage: true}}
	})
	m := message(1, b.upload("a.jpg", picture(20, 10, 1), "", nil))
	for m.Try = 1; m.Try <= 3; m.Try++ {
		if got := b.worker.Handle(t.Context(), m); !got.Held() {
			t.Fatalf("try %d: %v", m.Try, got)
		}
	}
	last, ok := b.onRecord(m.ID).Last()
	if n := keep.calls.Load(); n != 1 || !ok || last.Code != fault.CodeUnavailable || !strings.Contains(last.Message, "SNS is away") {
		t.Errorf("%d requests, on record is %+v", n, last)
	}
	b.worker = b.newWorker(func(o *Options) { o.Attempts = keep })
	b.handle(m, queue.Ack())
	if r := b.onRecord(m.ID); r != nil {
		t.Errorf("the message has ended well, and %+v is there", r)
	}
}

// testAttemptsCannotBeWritten: the work goes on as if nothing were.
func testAttemptsCannotBeWritten(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	nowhere := openStore(t, endpoint, strings.ToLower(store.NewID(time.Now())))
	b.worker = b.newWorker(func(o *Options) { o.Attempts = nowhere })
	u := b.upload("a.jpg", picture(20, 10, 1), "", nil)
	b.again(queue.Message{ID: "junk", Body: "junk", ReceiveCount: 1})
	b.handle(message(2, u), queue.Ack())
	if m := b.result("a.jpg"); m.Status != recipe.Done {
		t.Errorf("%+v", m)
	}
}

// testAttemptsUnreadable: what stands in a record's place is replaced.
func testAttemptsUnreadable(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	b.worker = b.newWorker(func(o *Options) { o.Attempts = b.Store })
	for id, body := range map[string]string{"message-1": "junk", "message-2": `{"version":99}`, "message-3": strings.Repeat("x", record.MaxBytes+1)} {
		if _, err := b.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(b.Bucket(store.Results)), Key: aws.String(store.AttemptsKey(id)), Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
		if _, etag, err := b.Attempts(t.Context(), id); !errors.Is(err, store.ErrUnreadable) || etag == "" {
			t.Errorf("%s reads as %v with ETag %q", id, err, etag)
		}
		b.again(queue.Message{ID: id, Body: "junk", ReceiveCount: 2})
		if r := b.onRecord(id); r == nil || len(r.Attempts) != 1 {
			t.Errorf("%s is %+v", id, r)
		}
	}
}

// testSentAgain: an image was stored and could not be announced, until its message was a
// dead letter. Sent back, with another id and its receives anew, it is announced.
func testSentAgain(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	b.announced.err = errors.New("may not")
	u := b.upload("a.jpg", picture(20, 10, 1), "", nil)
	b.again(message(1, u))
	b.again(message(2, u))
	b.announced.err = nil
	m := message(1, u)
	m.ID = "message-1-sent-back"
	b.handle(m, queue.Ack())
	b.announced.expect(t, 1)
	// The same message at its first receive, given out twice: whoever finds the result deletes the
	// message, and the other loses its lease by that, perhaps before it has announced anything. So
	// the finder announces too, under the same id.
	first := b.announced.all[0].ID
	b.handle(message(1, u), queue.Ack())
	if again := b.announced.expect(t, 2); again.ID != first {
		t.Errorf("announced as %s, before as %s", again.ID, first)
	}
}

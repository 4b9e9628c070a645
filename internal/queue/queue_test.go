package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is an engine at work in a bubble.
type run struct {
	*Engine
	log  *bytes.Buffer
	stop func() error // ends Run's context and waits
}

func start(t *testing.T, f *fakeSQS, opts Options, h Handler) *run {
	t.Helper()
	var log bytes.Buffer
	opts.QueueURL = "http://sqs.test/000000000000/ImageApp"
	opts.Logger = slog.New(slog.NewTextHandler(&lockedWriter{w: &log}, nil))
	e, err := New(f.client(), opts, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var once sync.Once
	var result error
	stop := func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() { stop() })
	return &run{e, &log, stop}
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// pass lets time go by in the bubble; what happened meanwhile may be looked at.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func bodies(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("m%03d", i)
	}
	return out
}

func (f *fakeSQS) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.messages)
}

func (f *fakeSQS) called(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func TestNeverReceivesMoreThanFreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(40)...)
		var at, most atomic.Int64
		r := start(t, f, Options{Slots: 13}, func(ctx context.Context, m Message) Outcome {
			n := at.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Duration(1+rand.IntN(5)) * time.Second)
			at.Add(-1)
			return Ack()
		})
		pass(5 * time.Minute)
		r.stop()
		if f.left() != 0 || most.Load() != 13 {
			t.Errorf("%d messages left; at most %d handlers at once, want 13", f.left(), most.Load())
		}
		if f.asked[0] != 10 || f.asked[1] != 3 {
			t.Errorf("asked for %v messages, want 10 and then the 3 that were free", f.asked[:2])
		}
		if s := r.Stats(); s.Received != 40 || s.Acked != 40 || s.InFlight != 0 || s.Held != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestOldestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("old", "older", "poison")
		now := time.Now() // the bubble's clock begins where SentTimestamp stands
		f.messages[2].count = ageCounts
		pass(90 * time.Second)
		hold := make(chan struct{})
		r := start(t, f, Options{Slots: 3}, func(ctx context.Context, m Message) Outcome { <-hold; return Ack() })
		pass(time.Second)
		if got, want := r.Stats().OldestAge, time.Since(now)-time.Second; got != want {
			t.Errorf("the oldest message was %v old, want %v", got, want)
		}
		close(hold)
		pass(time.Minute)
		if got := r.Stats().OldestAge; got != 0 {
			t.Errorf("on an empty queue the oldest message is %v old", got)
		}
		r.stop()
	})
	var a ages
	a.note([]*lease{{msg: Message{SentAt: time.Now(), ReceivedAt: time.Now().Add(time.Hour), ReceiveCount: ageCounts + 1}}})
	if a.oldest() != 0 {
		t.Error("a message that comes again and again makes the queue look late")
	}
	for range ageReceives {
		a.note([]*lease{{msg: Message{SentAt: time.Now(), ReceivedAt: time.Now().Add(time.Minute), ReceiveCount: 1}}})
	}
	a.note([]*lease{{msg: Message{SentAt: time.Now(), ReceivedAt: time.Now().Add(time.Second), ReceiveCount: 1}}})
	if got := a.oldest().Round(time.Second); got != time.Minute {
		t.Errorf("oldest %v", got)
	}
}

func TestHeartbeatKeepsEveryLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(25)...)
		r := start(t, f, Options{Slots: 25}, func(ctx context.Context, m Message) Outcome {
			time.Sleep(5 * time.Minute)
			if ctx.Err() != nil {
				t.Errorf("%s: context ended: %v", m.ID, context.Cause(ctx))
			}
			if m.ReceiveCount != 1 || m.SentAt.IsZero() || m.Body == "" {
				t.Errorf("received %+v", m)
			}
			return Ack()
		})
		pass(4 * time.Minute)
		if f.called("ChangeMessageVisibilityBatch") != 24*3 { // every 10 s, 25 messages in 3 requests
			t.Errorf("%d requests extended 25 leases over 4 minutes", f.called("ChangeMessageVisibilityBatch"))
		}
		pass(2 * time.Minute)
		r.stop()
		if s := r.Stats(); f.left() != 0 || s.Received != 25 || s.LostLeases != 0 {
			t.Errorf("%d left, stats %+v", f.left(), s)
		}
	})
}

func TestLostLeaseEndsTheWork(t *testing.T) {
	for name, set := range map[string]func(f *fakeSQS){
		"the queue says so": func(f *fakeSQS) {
			f.rejects = func(op, receipt string) (string, bool) {
				if op == "ChangeMessageVisibilityBatch" && strings.HasSuffix(receipt, "#1") {
					return "MessageNotInflight", true
				}
				return "", false
			}
		},
		"the clock says so": func(f *fakeSQS) {
			began := time.Now()
			f.fault = func(op string) error {
				if op == "ChangeMessageVisibilityBatch" && time.Since(began) < 40*time.Second {
					return errors.New("outage")
				}
				return nil
			}
		},
		"requests hang": func(f *fakeSQS) {
			began := time.Now()
			f.fault = func(op string) error {
				if op == "ChangeMessageVisibilityBatch" && time.Since(began) < 40*time.Second {
					return errHang
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a")
				set(f)
				began := time.Now()
				var causes []error
				var after time.Duration
				r := start(t, f, Options{Slots: 1}, func(ctx context.Context, m Message) Outcome {
					select {
					case <-ctx.Done():
						causes, after = append(causes, context.Cause(ctx)), time.Since(began)
					case <-time.After(time.Minute):
					}
					return Ack() // must not count where the lease was lost
				})
				pass(45 * time.Second)
				if f.called("DeleteMessageBatch") != 0 || len(causes) != 1 || !errors.Is(causes[0], ErrLeaseLost) {
					t.Errorf("after 45 s: %d deletes, contexts ended with %v", f.called("DeleteMessageBatch"), causes)
				}
				if after > 31*time.Second {
					t.Errorf("the work went on for %v, past the lease", after)
				}
				pass(5 * time.Minute)
				r.stop()
				if s := r.Stats(); f.left() != 0 || s.LostLeases != 1 || s.Received != 2 || s.Acked != 1 {
					t.Errorf("%d left, stats %+v", f.left(), s)
				}
			})
		})
	}
}

func TestPassingTroubleWithExtensionsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "b")
		began := time.Now()
		f.fault = func(op string) error {
			if d := time.Since(began); op == "ChangeMessageVisibilityBatch" && d > 5*time.Second && d < 22*time.Second {
				return errors.New("outage")
			}
			return nil
		}
		f.rejects = func(op, receipt string) (string, bool) {
			if time.Since(began) < 26*time.Second {
				return "RequestThrottled", true // blamed on the sender, but no lease is lost by it
			}
			return "", false
		}
		r := start(t, f, Options{Slots: 2}, func(ctx context.Context, m Message) Outcome {
			time.Sleep(2 * time.Minute)
			return Ack()
		})
		pass(3 * time.Minute)
		r.stop()
		if s := r.Stats(); s.LostLeases != 0 || s.Acked != 2 || s.Received != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestRetryBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		var counts []int
		var at []time.Time
		r := start(t, f, Options{Slots: 2}, func(ctx context.Context, m Message) Outcome {
			counts, at = append(counts, m.ReceiveCount), append(at, time.Now())
			if len(counts) == 6 {
				return Ack()
			}
			if len(counts) == 5 {
				return Retry(1500 * time.Millisecond)
			}
			return Retry(0)
		})
		pass(time.Hour)
		r.stop()
		if fmt.Sprint(counts) != "[1 2 3 4 5 6]" || f.left() != 0 {
			t.Fatalf("receive counts %v, %d left", counts, f.left())
		}
		for i, most := range []time.Duration{5, 20, 80, 320} {
			if d := f.delays[i]; d < time.Second || d > most*time.Second {
				t.Errorf("retry %d after %v, want 1 s to %d s", i+1, d, most)
			}
			if got := at[i+1].Sub(at[i]); got < f.delays[i] || got > f.delays[i]+time.Second {
				t.Errorf("retry %d came after %v, asked for %v", i+1, got, f.delays[i])
			}
		}
		if f.delays[4] != 2*time.Second {
			t.Errorf("an explicit delay of 1.5 s became %v", f.delays[4])
		}
		if s := r.Stats(); s.Retried != 5 || s.Acked != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestBackoffBounds(t *testing.T) {
	e := &Engine{opts: Options{RetryBase: 5 * time.Second, RetryMax: 15 * time.Minute}}
	spread := map[time.Duration]bool{}
	for n := range 100 {
		for range 20 {
			d := e.backoff(n)
			spread[d] = true
			if d < time.Second || d > 15*time.Minute {
				t.Fatalf("backoff(%d) = %v", n, d)
			}
		}
	}
	if len(spread) < 1000 {
		t.Errorf("%d different delays in 2,000: no jitter", len(spread))
	}
	if got := ceiling(time.Second, 4, 1<<30, time.Hour); got != time.Hour {
		t.Errorf("ceiling overflowed to %v", got)
	}
}

func TestPanicGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("poison", "good")
		r := start(t, f, Options{Slots: 1}, func(ctx context.Context, m Message) Outcome {
			if m.Body == "poison" && m.ReceiveCount < 3 {
				panic("broken")
			}
			return Ack()
		})
		pass(10 * time.Minute)
		r.stop()
		if s := r.Stats(); s.Panics != 2 || s.Acked != 2 || s.Retried != 2 {
			t.Errorf("stats %+v", s)
		}
		if !strings.Contains(r.log.String(), "queue_test.go") {
			t.Error("the log has no stack")
		}
	})
}

func TestDrain(t *testing.T) {
	t.Run("handlers finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(5)...)
			r := start(t, f, Options{Slots: 3}, func(ctx context.Context, m Message) Outcome {
				time.Sleep(20 * time.Second)
				if ctx.Err() != nil {
					t.Error("a drain must not cut work short")
				}
				return Ack()
			})
			pass(time.Second)
			began := time.Now()
			if ok, why := r.Ready(); !ok {
				t.Errorf("not ready: %s", why)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if ok, why := r.Ready(); ok || why != "draining" {
				t.Errorf("ready while draining: %q", why)
			}
			if d := time.Since(began); d > 21*time.Second {
				t.Errorf("took %v", d)
			}
			if len(f.deleted) != 3 || f.left() != 2 {
				t.Errorf("%d deleted, %d left; want the 3 at work finished and the 2 others untouched", len(f.deleted), f.left())
			}
			for _, m := range f.messages {
				if m.count != 0 {
					t.Errorf("%s was received", m.body)
				}
			}
		})
	})
	t.Run("handlers are cut short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake("obeys", "finishes at the last moment")
			r := start(t, f, Options{Slots: 2, DrainTimeout: 10 * time.Second}, func(ctx context.Context, m Message) Outcome {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), ErrDraining) {
					t.Errorf("cause %v", context.Cause(ctx))
				}
				if m.Body == "obeys" {
					return Retry(0)
				}
				return Ack()
			})
			pass(time.Second)
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if f.left() != 1 || f.messages[0].body != "obeys" || f.messages[0].visible.After(time.Now()) {
				t.Errorf("left: %+v; want the one that obeyed, visible at once", f.messages)
			}
			if s := r.Stats(); s.Released != 1 || s.Acked != 1 || s.Retried != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	})
	t.Run("a handler is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake("stuck")
			free := make(chan struct{})
			r := start(t, f, Options{Slots: 2, DrainTimeout: 10 * time.Second}, func(ctx context.Context, m Message) Outcome {
				<-free
				return Ack()
			})
			pass(time.Second)
			if err := r.stop(); err == nil {
				t.Error("no error")
			}
			close(free)
			synctest.Wait()
			if f.left() != 1 || f.messages[0].visible.After(time.Now()) || f.called("DeleteMessageBatch") != 0 {
				t.Errorf("the message was not given back: %+v", f.messages)
			}
		})
	})
	t.Run("an idle long poll is ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, newFake(), Options{}, func(ctx context.Context, m Message) Outcome { return Ack() })
			pass(7 * time.Second)
			began := time.Now()
			if err := r.stop(); err != nil || time.Since(began) > time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			if strings.Contains(r.log.String(), "receiving fails") {
				t.Error("ending the poll is logged as a failure")
			}
		})
	})
}

func TestReceiveErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		began := time.Now()
		f.fault = func(op string) error {
			if d := time.Since(began); op == "ReceiveMessage" && d > time.Second && d < 2*time.Minute {
				return errors.New("outage")
			}
			return nil
		}
		r := start(t, f, Options{}, func(ctx context.Context, m Message) Outcome { return Ack() })
		if ok, why := r.Ready(); ok {
			t.Errorf("ready before anything was answered: %q", why)
		}
		pass(3 * time.Second)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		pass(17 * time.Second) // the poll that was under way has ended well; the next ones fail
		pass(time.Minute)
		if ok, why := r.Ready(); ok || !strings.Contains(why, "outage") {
			t.Errorf("ready amid an outage: %q", why)
		}
		if n := f.called("ReceiveMessage"); n < 5 || n > 60 {
			t.Errorf("%d polls in a minute of outage", n)
		}
		f.send("b")
		pass(2 * time.Minute)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready after the outage: %s", why)
		}
		r.stop()
		if f.left() != 0 {
			t.Error("a message is left")
		}
		if s := r.log.String(); strings.Count(s, "receiving fails") != 1 || strings.Count(s, "receiving again") != 1 {
			t.Errorf("the log is not one line per change of state:\n%s", s)
		}
	})
}

func TestHangingPollIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var polls atomic.Int64
		f.fault = func(op string) error {
			if op == "ReceiveMessage" {
				if n := polls.Add(1); n == 2 || n == 3 {
					return errHang
				}
			}
			return nil
		}
		r := start(t, f, Options{}, func(ctx context.Context, m Message) Outcome { return Ack() })
		pass(25 * time.Second) // the first poll took a second; the next is within its time still
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		pass(1100 * time.Millisecond)
		if ok, why := r.Ready(); ok || !strings.Contains(why, "not answered within 25s") {
			t.Errorf("a poll is over its time: %v %q", ok, why)
		}
		f.send("a")
		pass(5 * time.Second) // the poll after it, a short one, hangs as well
		if ok, why := r.Ready(); ok {
			t.Errorf("ready before a poll was answered: %q", why)
		}
		pass(5 * time.Second)
		if ok, why := r.Ready(); !ok || f.left() != 0 {
			t.Errorf("after a poll was answered: ready %v %q, %d left", ok, why, f.left())
		}
		r.stop()
	})
}

func TestDeletes(t *testing.T) {
	t.Run("in batches", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(40)...)
			r := start(t, f, Options{Slots: 20}, func(ctx context.Context, m Message) Outcome { return Ack() })
			pass(time.Minute)
			r.stop()
			if f.left() != 0 || len(f.batches) > 8 {
				t.Errorf("%d left; batches of %v", f.left(), f.batches)
			}
		})
	})
	t.Run("a failed entry is tried again, its lease kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(12)...)
			began := time.Now()
			f.rejects = func(op, receipt string) (string, bool) {
				if op == "DeleteMessageBatch" && strings.HasPrefix(receipt, "m003#") && time.Since(began) < 90*time.Second {
					return "InternalError", false
				}
				return "", false
			}
			r := start(t, f, Options{Slots: 20}, func(ctx context.Context, m Message) Outcome { return Ack() })
			pass(10 * time.Second)
			if f.left() != 1 {
				t.Errorf("one bad entry keeps %d messages from being deleted", f.left()-1)
			}
			pass(2 * time.Minute)
			r.stop()
			if s := r.Stats(); f.left() != 0 || s.Received != 12 || s.Acked != 12 || s.DeleteErrors == 0 {
				t.Errorf("%d left, stats %+v", f.left(), s)
			}
		})
	})
	t.Run("an outage stops receiving, not the leases", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(500)...)
			began := time.Now()
			f.fault = func(op string) error {
				if op == "DeleteMessageBatch" && time.Since(began) < 3*time.Minute {
					return errors.New("outage")
				}
				return nil
			}
			r := start(t, f, Options{Slots: 10}, func(ctx context.Context, m Message) Outcome { return Ack() })
			pass(2 * time.Minute)
			if s := r.Stats(); s.Received > maxUnflushed+20 || s.Held != s.Received {
				t.Errorf("while nothing can be deleted: stats %+v", s)
			}
			pass(5 * time.Minute)
			r.stop()
			if s := r.Stats(); f.left() != 0 || s.Received != 500 || s.LostLeases != 0 {
				t.Errorf("%d left, stats %+v", f.left(), s)
			}
		})
	})
	t.Run("flushed by the drain, or given up in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(3)...)
			f.fault = func(op string) error {
				if op == "DeleteMessageBatch" {
					return errHang
				}
				return nil
			}
			r := start(t, f, Options{Slots: 3}, func(ctx context.Context, m Message) Outcome { return Ack() })
			pass(time.Second)
			began := time.Now()
			r.stop()
			if d := time.Since(began); d > 6*time.Second || f.left() != 3 || !strings.Contains(r.log.String(), "could not be deleted") {
				t.Errorf("after %v, %d left, log:\n%s", d, f.left(), r.log.String())
			}
		})
	})
}

// A retry's delay must not be undone by an extension that was under way.
func TestExtensionDoesNotUndoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.fault = func(op string) error {
			if op == "ChangeMessageVisibilityBatch" {
				time.Sleep(3 * time.Second) // the answer is slow; the handler ends meanwhile
			}
			return nil
		}
		var at []time.Time
		r := start(t, f, Options{Slots: 1}, func(ctx context.Context, m Message) Outcome {
			at = append(at, time.Now())
			if len(at) == 2 {
				return Ack()
			}
			time.Sleep(11 * time.Second)
			return Retry(2 * time.Second)
		})
		pass(5 * time.Minute)
		r.stop()
		if len(at) != 2 || at[1].Sub(at[0]) > 17*time.Second {
			t.Errorf("received at %v", at)
		}
	})
}

// Every request fails at random; still every message is handled and deleted in the end.
func TestNothingIsLostUnderFaults(t *testing.T) {
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(150)...)
			f.fault = func(op string) error {
				switch rand.IntN(20) {
				case 0, 1, 2:
					return errors.New("fault")
				case 3:
					time.Sleep(time.Duration(rand.IntN(15)) * time.Second)
				}
				return nil
			}
			f.rejects = func(op, receipt string) (string, bool) {
				if rand.IntN(10) == 0 {
					return "InternalError", false
				}
				return "", false
			}
			var mu sync.Mutex
			done := map[string]bool{}
			r := start(t, f, Options{Slots: 17}, func(ctx context.Context, m Message) Outcome {
				select {
				case <-time.After(time.Duration(rand.IntN(60)) * time.Second):
				case <-ctx.Done():
					return Retry(0)
				}
				switch rand.IntN(10) {
				case 0:
					return Retry(0)
				case 1:
					panic("now and then")
				}
				mu.Lock()
				done[m.Body] = true
				mu.Unlock()
				return Ack()
			})
			pass(5 * time.Hour)
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if f.left() != 0 || len(done) != 150 {
				t.Errorf("%d left, %d done", f.left(), len(done))
			}
			for _, body := range f.deleted {
				if !done[body] {
					t.Errorf("%s was deleted and not done", body)
				}
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	h := func(context.Context, Message) Outcome { return Ack() }
	for name, o := range map[string]Options{
		"no queue": {}, "slots": {QueueURL: "q", Slots: -1}, "visibility": {QueueURL: "q", Visibility: time.Second},
		"fraction": {QueueURL: "q", Visibility: 3500 * time.Millisecond}, "poll": {QueueURL: "q", Wait: 21 * time.Second},
		"retries": {QueueURL: "q", RetryBase: time.Hour, RetryMax: time.Minute}, "drain": {QueueURL: "q", DrainTimeout: -1},
	} {
		if _, err := New(newFake().client(), o, h); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	e, err := New(newFake().client(), Options{QueueURL: "q"}, h)
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := e.Ready(); ok || why != "not started" {
		t.Errorf("ready before Run: %q", why)
	}
}

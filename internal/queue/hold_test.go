package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counts are the receive counts of what is in the queue.
func (f *fakeSQS) counts() (all []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		all = append(all, m.count)
	}
	return all
}

func TestOutageUsesNoReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(30)...)
		began := time.Now()
		const outage = 10 * time.Minute
		var mu sync.Mutex
		var tries []time.Duration
		most := 0
		r := start(t, f, Options{Slots: 6}, func(ctx context.Context, m Message) Outcome {
			mu.Lock()
			tries = append(tries, time.Since(began))
			most = max(most, m.ReceiveCount)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			if ctx.Err() != nil {
				t.Errorf("the context ended: %v", context.Cause(ctx))
			}
			if time.Since(began) < outage {
				return Hold("the object store does not answer")
			}
			return Ack()
		})
		pass(90 * time.Second)
		if ok, why := r.Ready(); ok || !strings.Contains(why, "the object store does not answer") {
			t.Errorf("ready amid the outage: %v %q", ok, why)
		}
		if s := r.Stats(); s.Limit != 1 || s.Slots != 6 || s.Waiting+s.InFlight != 6 || s.Received != 6 || s.Overloads == 0 || s.Holds == 0 {
			t.Errorf("amid the outage: stats %+v", s)
		}
		pass(outage - 90*time.Second)
		mu.Lock()
		calm := 0 // tries in the last 5 minutes of the outage
		for _, at := range tries {
			if at > outage/2 {
				calm++
			}
		}
		mu.Unlock()
		if calm < 8 || calm > 21 { // one each 15 to 30 s
			t.Errorf("%d tries in 5 minutes", calm)
		}
		pass(31 * time.Second) // the longest pause
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready after the outage: %s", why)
		}
		pass(30 * time.Second)
		if s := r.Stats(); f.left() != 0 || s.Limit != 6 || most != 1 || s.Received != 30 || s.Acked != 30 || s.LostLeases != 0 {
			t.Errorf("after the outage: %d left, received up to %d times, stats %+v", f.left(), most, s)
		}
		r.stop()
		if log := r.log.String(); strings.Count(log, "is down") != 1 || strings.Count(log, "is up again") != 1 {
			t.Errorf("the log is not one line per change of state:\n%s", log)
		}
	})
}

func TestHeldMessagesAreGivenBackByTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(4)...)
		r := start(t, f, Options{Slots: 4}, func(ctx context.Context, m Message) Outcome { return Hold("down") })
		pass(3 * time.Minute)
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the drain took %v", d)
		}
		for _, m := range f.messages {
			if m.visible.After(time.Now()) || m.count != 1 {
				t.Errorf("%s: received %d times, visible at %v", m.body, m.count, m.visible)
			}
		}
		if s := r.Stats(); s.Released != 4 || s.Held != 0 || s.Waiting != 0 || s.InFlight != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestHoldingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		r := start(t, f, Options{Slots: 4}, func(ctx context.Context, m Message) Outcome { return Hold("down") })
		pass(59 * time.Minute)
		if c := f.counts(); c[0] != 1 {
			t.Errorf("received %d times within the hour", c[0])
		}
		pass(20 * time.Minute)
		if c := f.counts(); c[0] != 2 || r.Stats().Retried != 1 {
			t.Errorf("received %d times, stats %+v", c[0], r.Stats())
		}
		r.stop()
	})
}

// A message that says of itself that a service is down, when the others have no trouble, is
// itself what is wrong.
func TestHoldOfOneMessageAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("poison")
		seen := map[int]int{}
		r := start(t, f, Options{Slots: 4}, func(ctx context.Context, m Message) Outcome {
			if m.Body == "poison" {
				seen[m.ReceiveCount]++
				return Hold("down")
			}
			time.Sleep(time.Second)
			return Ack()
		})
		for i := range 1200 { // a good one each second
			f.send(fmt.Sprintf("good%d", i))
			pass(time.Second)
		}
		pass(time.Minute)
		r.stop()
		if n := r.Stats().Acked; n != 1200 {
			t.Errorf("%d of 1200 others were handled", n)
		}
		if seen[1] < strikesToLeave || seen[1] > 2*strikesToLeave+2 || f.counts()[0] < 2 {
			t.Errorf("tries by receive count: %v", seen)
		}
	})
}

// Even where all that is in hand is wrong, others get in.
func TestHeldMessagesDoNotStopOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("poison1", "poison2", "poison3")
		r := start(t, f, Options{Slots: 4}, func(ctx context.Context, m Message) Outcome {
			if strings.HasPrefix(m.Body, "poison") {
				return Hold("down")
			}
			return Ack()
		})
		pass(10 * time.Second)
		for i := range 20 {
			f.send(fmt.Sprintf("good%d", i))
		}
		pass(5 * time.Minute)
		if n := r.Stats().Acked; n != 20 {
			t.Errorf("%d of 20 others were handled", n)
		}
		r.stop()
	})
}

func TestLostWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		began := time.Now()
		f.fault = func(op string) error {
			if op == "ChangeMessageVisibilityBatch" && time.Since(began) < time.Minute {
				return errors.New("outage")
			}
			return nil
		}
		var calls []int
		r := start(t, f, Options{Slots: 2, HoldBase: 20 * time.Second}, func(ctx context.Context, m Message) Outcome {
			calls = append(calls, m.ReceiveCount)
			if time.Since(began) < 70*time.Second {
				return Hold("down")
			}
			return Ack()
		})
		pass(35 * time.Second)
		if s := r.Stats(); s.LostLeases != 1 || f.called("ChangeMessageVisibility") != 0 {
			t.Errorf("stats %+v; %d visibilities were set of a message that is not ours", s, f.called("ChangeMessageVisibility"))
		}
		pass(3 * time.Minute)
		r.stop()
		if f.left() != 0 || slices.Max(calls) > 3 {
			t.Errorf("%d left, receive counts of the calls %v", f.left(), calls)
		}
	})
}

func TestLastReceive(t *testing.T) {
	for name, tc := range map[string]struct {
		redrive string
		outcome Outcome
		want    string // calls by receive count, 1 to 4
	}{
		"a passing fault":       {`{"deadLetterTargetArn":"arn:x","maxReceiveCount":"3"}`, Retry(0), "[1 1 6 6]"},
		"a number":              {`{"deadLetterTargetArn":"arn:x","maxReceiveCount":4}`, Retry(0), "[1 1 1 6]"},
		"a lasting fault":       {`{"deadLetterTargetArn":"arn:x","maxReceiveCount":3}`, Retry(10 * time.Second), "[1 1 1 1]"},
		"no dead-letter queue":  {"", Retry(0), "[1 1 1 1]"},
		"a policy of who knows": {"{", Retry(0), "[1 1 1 1]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a")
				f.redrive = tc.redrive
				calls := make([]int, 4)
				r := start(t, f, Options{Slots: 2}, func(ctx context.Context, m Message) Outcome {
					if m.ReceiveCount > len(calls) {
						return Ack()
					}
					if calls[m.ReceiveCount-1]++; m.Try != calls[m.ReceiveCount-1] {
						t.Errorf("receive %d: try %d is called %d", m.ReceiveCount, calls[m.ReceiveCount-1], m.Try)
					}
					return tc.outcome
				})
				pass(2 * time.Hour)
				r.stop()
				if got := fmt.Sprint(calls); got != tc.want {
					t.Errorf("calls by receive count %s, want %s", got, tc.want)
				}
			})
		})
	}
	t.Run("it may succeed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake("a")
			f.redrive = `{"maxReceiveCount":2}`
			r := start(t, f, Options{Slots: 2}, func(ctx context.Context, m Message) Outcome {
				if m.ReceiveCount == 2 && m.Try == 3 {
					return Ack()
				}
				return Retry(0)
			})
			pass(time.Hour)
			r.stop()
			if f.left() != 0 || r.Stats().Received != 2 {
				t.Errorf("%d left, stats %+v", f.left(), r.Stats())
			}
		})
	})
	t.Run("patience takes up a quarter of the slots at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(40)...)
			f.redrive = `{"maxReceiveCount":1}`
			r := start(t, f, Options{Slots: 8}, func(ctx context.Context, m Message) Outcome { return Retry(0) })
			pass(900 * time.Millisecond)
			if s := r.Stats(); s.Waiting != 2 || s.Received != 40 {
				t.Errorf("stats %+v", s)
			}
			r.stop()
		})
	})
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter{now: 16}
		began := time.Now()
		time.Sleep(time.Second)
		if !l.overload(began) || l.now != 8 {
			t.Errorf("the first overload: %+v", l)
		}
		time.Sleep(time.Second)
		if l.overload(began) || l.overload(began.Add(time.Second)) || l.now != 8 {
			t.Errorf("what began before the cut cuts again: %+v", l)
		}
		for range 10 {
			began = time.Now()
			time.Sleep(time.Second)
			l.overload(began.Add(time.Millisecond))
		}
		if l.now != 1 {
			t.Errorf("the floor is %d", l.now)
		}
		n := 0
		for ; l.now < 16; n++ {
			l.success(16)
		}
		if n != 1+2+3+4+5+6+7+8+9+10+11+12+13+14+15 {
			t.Errorf("%d successes from 1 to 16", n)
		}
		l.success(16)
		if l.now != 16 || l.halved != 5 && l.halved != 11 {
			t.Errorf("%+v", l)
		}
	})
}

// However the limit moves, there is never more in hand than there are slots, and what is
// received fits under the limit.
func TestNeverMoreInHandThanSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(300)...)
		var r *run
		var over atomic.Int64
		ready := make(chan struct{})
		handler := func(ctx context.Context, m Message) Outcome {
			<-ready
			s := r.Stats()
			if s.InFlight+s.Waiting > 9 || s.Limit < 1 || s.Limit > 9 {
				over.Add(1)
			}
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			switch rand.IntN(6) {
			case 0:
				return Hold("slow down")
			case 1:
				return Retry(0)
			}
			return Ack()
		}
		var polls, tooMany int
		f.fault = func(op string) error {
			if op != "ReceiveMessage" {
				return nil
			}
			<-ready
			if s := r.Stats(); s.InFlight+s.Waiting >= 9 {
				tooMany++
			}
			polls++
			return nil
		}
		r = start(t, f, Options{Slots: 9}, handler)
		close(ready)
		pass(12 * time.Hour)
		r.stop()
		if over.Load() != 0 || tooMany != 0 || polls == 0 {
			t.Errorf("%d times more in hand than 9 slots; %d of %d polls without a free one", over.Load(), tooMany, polls)
		}
		if s := r.Stats(); f.left() != 0 || s.Overloads == 0 {
			t.Errorf("%d left, stats %+v", f.left(), s)
		}
	})
}

func TestThrottledQueueLowersTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(200)...)
		began := time.Now()
		f.fault = func(op string) error {
			if d := time.Since(began); d > 20*time.Second && d < time.Minute {
				return refusal{400, "RequestThrottled"}
			}
			return nil
		}
		r := start(t, f, Options{Slots: 8}, func(ctx context.Context, m Message) Outcome { time.Sleep(5 * time.Second); return Ack() })
		pass(time.Minute)
		if s := r.Stats(); s.Limit != 1 || s.Overloads < 3 {
			t.Errorf("while the queue throttles: stats %+v", s)
		}
		if n := f.called("ReceiveMessage"); n > 40 {
			t.Errorf("%d polls", n)
		}
		pass(30 * time.Minute)
		if s := r.Stats(); s.Limit != 8 || f.left() != 0 {
			t.Errorf("afterwards: %d left, stats %+v", f.left(), s)
		}
		r.stop()
	})
}

func TestReadyTellsAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		op    string
		fault error
		after time.Duration
		want  string
	}{
		"expired credentials":   {"ReceiveMessage", refusal{400, "ExpiredToken"}, time.Second, "renew them"},
		"unknown credentials":   {"ReceiveMessage", refusal{403, "InvalidClientTokenId"}, time.Second, "renew them"},
		"a permission":          {"ReceiveMessage", refusal{400, "AccessDeniedException"}, time.Second, "lack a permission"},
		"errors":                {"ReceiveMessage", errors.New("outage"), 11 * time.Second, "receiving has failed"},
		"extensions that fail":  {"ChangeMessageVisibilityBatch", errors.New("outage"), 22 * time.Second, "extending leases has failed"},
		"extensions that hang":  {"ChangeMessageVisibilityBatch", errHang, 21 * time.Second, "extending leases"},
		"deletes that fail":     {"DeleteMessageBatch", errors.New("outage"), 11 * time.Second, "deleting finished messages has failed"},
		"deletes that hang":     {"DeleteMessageBatch", errHang, 11 * time.Second, "deleting finished messages has"},
		"credentials for those": {"DeleteMessageBatch", refusal{400, "ExpiredTokenException"}, 11 * time.Second, "renew them"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var broken atomic.Bool
				f.fault = func(op string) error {
					if op == tc.op && broken.Load() {
						return tc.fault
					}
					return nil
				}
				r := start(t, f, Options{Slots: 3, Wait: time.Second}, func(ctx context.Context, m Message) Outcome {
					if m.Body == "long" {
						select {
						case <-ctx.Done():
						case <-time.After(time.Minute):
						}
					}
					return Ack()
				})
				pass(1100 * time.Millisecond)
				broken.Store(true)
				f.send("short")
				f.send("long")
				pass(tc.after)
				pass(time.Second) // the poll under way was good still
				if ok, why := r.Ready(); ok || !strings.Contains(why, tc.want) {
					t.Errorf("ready: %v %q, want %q", ok, why, tc.want)
				}
				broken.Store(false)
				pass(25 * time.Second)
				if ok, why := r.Ready(); !ok {
					t.Errorf("not ready afterwards: %s", why)
				}
				pass(5 * time.Minute)
				r.stop()
				if f.left() != 0 {
					t.Errorf("%d left", f.left())
				}
			})
		})
	}
}

package queue

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// While the work is bound to what a new message would wait for, polls wait for room for several;
// once it is not, one free slot is filled at once.
func TestPollsGatherSlotsWhileBusy(t *testing.T) {
	for _, busy := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(bodies(48)...)
			var n atomic.Int64
			r := start(t, f, Options{Slots: 12, Busy: func() bool { return busy }}, func(context.Context, Message) Outcome {
				time.Sleep(time.Duration(n.Add(1)%12+1) * 50 * time.Millisecond) // one after another
				return Ack()
			})
			pass(time.Minute)
			r.stop()
			if f.left() != 0 {
				t.Errorf("%d messages left", f.left())
			}
			polls := f.asked[2:] // the first two fill all slots
			if least := slices.Min(polls); busy && least < 6 || !busy && least > 1 {
				t.Errorf("busy: %t: polls asked for %v messages", busy, polls)
			}
		})
	}
}

// What is busy for long does not keep free slots from being filled for ever.
func TestPollsGatherForSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(5)...)
		hold := make(chan struct{})
		r := start(t, f, Options{Slots: 4, Gather: 3 * time.Second, Busy: func() bool { return true }}, func(ctx context.Context, m Message) Outcome {
			if m.ID == "id-"+bodies(1)[0] {
				return Ack()
			}
			<-hold
			return Ack()
		})
		pass(2 * time.Second)
		if got := r.Stats().Received; got != 4 {
			t.Errorf("%d messages received before the wait is over, want 4", got)
		}
		pass(2 * time.Second)
		if got := r.Stats().Received; got != 5 {
			t.Errorf("%d messages received after it, want 5", got)
		}
		close(hold)
		pass(time.Minute)
		r.stop()
	})
}

// Deletes wait for company while handlers are at work, and not longer than allowed.
func TestDeletesLingerWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(4)...)
		hold := make(chan struct{})
		var n atomic.Int64
		r := start(t, f, Options{Slots: 4, Linger: 50 * time.Millisecond, LingerBusy: 2 * time.Second}, func(context.Context, Message) Outcome {
			if n.Add(1) == 1 {
				<-hold
			}
			return Ack()
		})
		pass(1900 * time.Millisecond)
		if got := r.Stats().Acked; got != 0 {
			t.Errorf("%d messages deleted while they wait for others, want none", got)
		}
		pass(200 * time.Millisecond)
		if got := r.Stats().Acked; got != 3 {
			t.Errorf("%d messages deleted after the wait, want 3", got)
		}
		close(hold)
		pass(100 * time.Millisecond)
		if got := r.Stats().Acked; got != 4 {
			t.Errorf("%d messages deleted with nothing at work, want 4", got)
		}
		r.stop()
		if !slices.Equal(f.batches, []int{3, 1}) {
			t.Errorf("batches of %v", f.batches)
		}
	})
}

// What has come back is deleted without waiting for others: whatever it came back from may happen
// again, and a finished message would use up its receives.
func TestDeletesOfWhatCameBackDoNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(bodies(2)...)
		f.messages[1].count = 1 // it was received once before
		hold := make(chan struct{})
		r := start(t, f, Options{Slots: 4, Linger: 50 * time.Millisecond, LingerBusy: 2 * time.Second}, func(_ context.Context, m Message) Outcome {
			if m.ReceiveCount == 1 {
				<-hold
			}
			return Ack()
		})
		pass(100 * time.Millisecond)
		if got := r.Stats().Acked; got != 1 {
			t.Errorf("%d messages deleted while another is at work, want the one that had come back", got)
		}
		close(hold)
		r.stop()
	})
}

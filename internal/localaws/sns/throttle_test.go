package sns

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// A subscriber that asks for one message a second gets one a second; others do not wait
// for it, and waiting is no attempt.
func TestAThrottledSubscriberGetsOneMessageASecond(t *testing.T) {
	var passed atomic.Int64
	began := time.Now().Truncate(time.Millisecond)
	e := running(t, func(o *Options) { o.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) } })
	topic := e.topic("t")
	slow, fast := listen(t, http.StatusOK), listen(t, http.StatusOK)
	e.confirmed(topic, slow, map[string]string{"RawMessageDelivery": "true", "DeliveryPolicy": `{"throttlePolicy":{"maxReceivesPerSecond":1}}`})
	e.confirmed(topic, fast, nil)
	for _, m := range []string{"1", "2", "3"} {
		e.publish(topic, m)
	}
	e.until("all messages at the other subscriber", func() bool { return len(fast.messages()) == 1+3 })
	for n := 1; n <= 3; n++ {
		e.until("the next message", func() bool { return len(slow.messages()) >= 1+n && e.owed() <= 3-n })
		if got := len(slow.messages()) - 1; got != n || e.owed() != 3-n {
			t.Fatalf("%d messages, %d owed, after %d s", got, e.owed(), n-1)
		}
		passed.Add(int64(time.Second))
	}
	seen := map[string]bool{}
	for _, m := range slow.messages()[1:] {
		seen[m.body] = true
	}
	if len(seen) != 3 {
		t.Errorf("got %v", seen)
	}
}

func TestMomentsAreGivenOutOnce(t *testing.T) {
	three := 3
	p := &throttlePolicy{MaxReceivesPerSecond: &three}
	th, now := newThrottles(), time.Unix(1000, 0)
	notification := func(id int64, sub string) *delivery {
		return &delivery{id: id, subscription: sub, kind: typeNotification}
	}
	for id, want := range []time.Duration{0, 334, 667, 1000} {
		if got := th.admit(notification(int64(id), "a"), p, now).Sub(now); got != want*time.Millisecond {
			t.Errorf("delivery %d after %v, want %d ms", id, got, want)
		}
	}
	for _, d := range []*delivery{notification(10, "b"), {id: 11, subscription: "a", kind: typeConfirmation}} {
		if got := th.admit(d, p, now); !got.Equal(now) {
			t.Errorf("delivery %d waits until %v", d.id, got)
		}
	}
	if got := th.admit(notification(12, "a"), nil, now); !got.Equal(now) {
		t.Errorf("without a policy: %v", got)
	}
	early := now.Add(333 * time.Millisecond)
	if got := th.admit(notification(1, "a"), p, early).Sub(now); got != 334*time.Millisecond {
		t.Errorf("a delivery that comes too early waits until %v", got)
	}
	later := now.Add(time.Second)
	if got := th.admit(notification(1, "a"), p, later); got.After(later) {
		t.Errorf("a delivery whose moment has come waits until %v", got)
	}
	th.forget(later.Add(2 * pruneEvery))
	if len(th.free)+len(th.reserved) != 0 {
		t.Errorf("remembered for good: %v %v", th.free, th.reserved)
	}
}

package limit

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(0.5, 3)
		for range 3 {
			if _, ok := r.Take("a"); !ok {
				t.Fatal("refused within the burst")
			}
		}
		for range 2 { // a refusal costs nothing
			if wait, ok := r.Take("a"); ok || wait != 2*time.Second {
				t.Errorf("beyond the burst: %v, %v; want a wait of 2s", wait, ok)
			}
		}
		if _, ok := r.Take("b"); !ok {
			t.Error("another client is refused, too")
		}
		time.Sleep(2 * time.Second)
		if _, ok := r.Take("a"); !ok {
			t.Error("refused after the wait")
		}
		if _, ok := r.Take("a"); ok {
			t.Error("one more than has come back")
		}
		r.Return("a")
		if _, ok := r.Take("a"); !ok {
			t.Error("refused what was given back")
		}
		time.Sleep(time.Hour)
		n := 0
		for {
			if _, ok := r.Take("a"); !ok {
				break
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d at once after an hour, want the burst", n)
		}
	})
}

func TestRateForgets(t *testing.T) {
	r := NewRate(1e-6, 1)
	r.Take("a")
	for i := range maxClients {
		r.Take(strconv.Itoa(i))
	}
	if n := r.clients.Len(); n != maxClients {
		t.Errorf("%d clients kept, want %d", n, maxClients)
	}
	if _, ok := r.Take("a"); !ok {
		t.Error("the client seen least lately is still known")
	}
}

func TestNoLimits(t *testing.T) {
	r, a := NewRate(0, 5), NewAtOnce(0)
	for range 100 {
		_, ok := r.Take("a")
		leave, in := a.Enter("a")
		if !ok || !in {
			t.Fatal("refused without a limit")
		}
		leave()
		r.Return("a")
	}
}

func TestAtOnce(t *testing.T) {
	a := NewAtOnce(2)
	one, ok1 := a.Enter("a")
	_, ok2 := a.Enter("a")
	if _, ok := a.Enter("a"); !ok1 || !ok2 || ok {
		t.Fatal("two are allowed, no more")
	}
	if leave, ok := a.Enter("b"); !ok {
		t.Error("another client is refused, too")
	} else {
		leave()
	}
	one()
	one() // counts once
	if _, ok := a.Enter("a"); !ok {
		t.Error("refused after one left")
	}
	if _, ok := a.Enter("a"); ok {
		t.Error("leaving twice made room for two")
	}
	if len(a.has) != 1 {
		t.Errorf("kept of %v", a.has)
	}
}

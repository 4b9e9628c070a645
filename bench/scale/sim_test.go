package main

import (
	"math"
	"strings"
	"testing"

	"github.com/tintype/tintype/deploy/prices"
)

func exponential(mean float64) dist { return func(r *rnd) float64 { return r.ExpFloat64() * mean } }

func none() times {
	z := fixed(0)
	return times{event: z, receive: z, look: z, fetch: z, core: z, store: z, finish: z}
}

// Where theory knows the answer, the simulation gives it: one server, M/M/1.
func TestOneServer(t *testing.T) {
	x := none()
	x.core = exponential(1)
	for _, load := range []float64{0.3, 0.5, 0.8} {
		o := simulate(plan{times: x, hosts: 1, workers: 1, slots: 1000, rate: func(float64) float64 { return load }, peak: load, until: 400_000, seed: 1})
		sum := 0.0
		for _, l := range o.Latencies {
			sum += l
		}
		got, want := sum/float64(len(o.Latencies)), 1/(1-load)
		if math.Abs(got/want-1) > 0.05 {
			t.Errorf("load %v: mean %v, theory says %v", load, got, want)
		}
	}
}

// A backlog of equal jobs goes at exactly the rate of the cores, or of the slots.
func TestBacklog(t *testing.T) {
	x := none()
	x.core, x.store = fixed(1), fixed(3)
	for _, tt := range []struct {
		hosts, workers, slots int
		want                  float64 // images per second
	}{
		{1, 1, 4, 1}, // the core binds: 4 slots of 4 seconds each are just enough
		{1, 2, 4, 1}, // the slots bind
		{1, 2, 8, 2}, // they do not
		{3, 2, 8, 6}, // hosts add up
	} {
		const n = 4000
		o := simulate(plan{times: x, hosts: tt.hosts, workers: tt.workers, slots: tt.slots, backlog: n, seed: 1})
		if got := n / o.End; math.Abs(got/tt.want-1) > 0.02 {
			t.Errorf("%+v: %v images/s", tt, got)
		}
		if o.Done != n || o.MaxInFlight > tt.hosts*tt.slots {
			t.Errorf("%+v: %d done, %d in flight at once", tt, o.Done, o.MaxInFlight)
		}
		if o.Receives < n/batch || o.Deletes < n/batch || o.Deletes > n {
			t.Errorf("%+v: %d receives, %d deletes", tt, o.Receives, o.Deletes)
		}
	}
}

// With a spike hosts come, after the lags, and go again; nothing is lost on the way.
func TestAutoscaling(t *testing.T) {
	x := none()
	x.core = fixed(0.1)
	rate := func(t float64) float64 {
		if t > 3600 && t < 4200 {
			return 80
		}
		return 8
	}
	o := simulate(plan{times: x, hosts: 1, workers: 1, slots: 4, rate: rate, peak: 80, until: 4 * 3600, every: 10, seed: 1,
		scaler: &scaler{Period: 60, Out: 3, In: 15, Again: 5, Part: 0.2, Start: 120, Target: 100, Min: 1, Max: 20}})
	most, first, last := 0.0, 0.0, o.Points[len(o.Points)-1]
	for _, p := range o.Points {
		if most = max(most, p.Workers); p.Workers > 1 && first == 0 {
			first = p.T
		}
	}
	if most < 8 || most > 20 || first < 3600+3*60 || first > 3600+5*60+120 || last.Workers > most/2 || last.Waiting > 200 {
		t.Errorf("up to %v workers from %v on, at the end %+v", most, first, last)
	}
	paid := o.HostSeconds / o.End
	if paid < 1 || paid > most {
		t.Errorf("%v hosts paid for on average, %v at most", paid, most)
	}
}

func TestMoney(t *testing.T) {
	tb, usd := storage(prices.Builtin(), size{InBytes: 1e6}, 100e12/1e6/secondsOfMonth)
	if math.Abs(tb-100) > 0.01 || math.Abs(usd-(50_000*0.023+50_000*0.022)) > 1 {
		t.Errorf("%v TB, %v dollars", tb, usd)
	}
}

func TestFiles(t *testing.T) {
	var q quotas
	var l lags
	var m measured
	var v validated
	for _, err := range []error{load("", defaultLimits, &q), load("", defaultAWS, &l), load("", defaultMeasured, &m), load("", defaultValidated, &v)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(m.Sizes) != 3 || len(v.Runs) != 2 || len(v.Slots) == 0 || l.S3Put.P50 <= 0 || l.SQSReceive.P50 <= 0 || l.ScaleInPart <= 0 || q.SQSInFlight <= 0 {
		t.Errorf("%+v %+v %+v %+v", q, l, m, v)
	}
	all := bounds(q, l, m.Sizes[1], l.onAWS(m.Sizes[1]))
	for i, b := range all {
		if b.PerImage <= 0 || math.IsInf(b.Binds, 0) || i > 0 && b.Binds < all[i-1].Binds {
			t.Errorf("%+v", b)
		}
	}
	if svg := plot([]point{{T: 0, Waiting: 1}, {T: 10, Waiting: 5}}, 0, 10, 5, "x"); !strings.HasPrefix(svg, "<svg") || strings.Contains(svg, "NaN") {
		t.Error(svg)
	}
}

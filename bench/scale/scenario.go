package main

import (
	"math"
)

// lags are AWS's latencies and lags, as in aws.json.
type lags struct {
	S3GetFirstByte, S3GetMissing, S3Put, SNSPublish, SQSReceive, EventDelay, CompletionDelay struct{ P50, P99 float64 } // ms

	S3MBPerSecond                       float64
	MetricPeriodSeconds                 float64
	ScaleOutPeriods                     int
	ScaleInPeriods, ScaleInAgainPeriods int
	ScaleInPart, StartSeconds           float64
}

// onAWS are the times of an image of a size.
func (l lags) onAWS(z size) times {
	ms := func(d struct{ P50, P99 float64 }) dist { return logNormal(d.P50/1000, d.P99/1000) }
	get, put, publish := ms(l.S3GetFirstByte), ms(l.S3Put), ms(l.SNSPublish)
	carry := func(bytes int) float64 { return float64(bytes) / 1e6 / l.S3MBPerSecond }
	largest := float64(z.OutBytes) * 0.8 // the full size, of three
	return times{
		event: ms(l.EventDelay), receive: ms(l.SQSReceive), look: ms(l.S3GetMissing),
		fetch: func(r *rnd) float64 { return get(r) + carry(z.InBytes) },
		// Pictures differ: a fifth, up or down, as a rule.
		core: logNormal(z.CPUMS/1000, z.CPUMS/1000*1.6),
		store: func(r *rnd) float64 {
			longest := 0.0
			for range z.Outputs {
				longest = max(longest, put(r))
			}
			return longest + carry(int(largest))
		},
		finish: func(r *rnd) float64 { return put(r) + publish(r) },
	}
}

// slotsOf is how many messages a process of so many workers has in work: the program's rule.
func slotsOf(workers int) int { return 4*workers + 4 }

// saturated is what one host does, images per second, with a queue that is never empty, and
// the part of its processors that it uses.
func saturated(t times, workers, slots int) (rate, busy float64) {
	n := 600 * workers
	o := simulate(plan{times: t, hosts: 1, workers: workers, slots: slots, backlog: n, seed: 1})
	return float64(n) / o.End, o.CoreSeconds / o.End / float64(workers)
}

// scenario is one load.
type scenario struct {
	Name    string
	Rate    float64 // images per second, on average
	Workers int     // processors of one host
	// Factor: each simulated image stands for so many. Loads differ in size, not in kind: the
	// largest is simulated at a hundredth.
	Factor float64
}

var scenarios = []scenario{{"10 images/s", 10, 2, 1}, {"100 images/s", 100, 4, 1}, {"10,000 images/s", 10_000, 16, 100}}

// utilisation is how much of what hosts can do a steady load may ask of them.
const utilisation = 0.7

// steady is a load that does not change, on hosts enough for it.
type steady struct {
	scenario
	Hosts, VCPUs      int
	P50, P99          float64
	InFlight          float64
	Receives, Deletes float64 // per image
}

func runSteady(c scenario, t times) steady {
	perHost, _ := saturated(t, c.Workers, slotsOf(c.Workers))
	s := steady{scenario: c, Hosts: int(math.Ceil(c.Rate / (perHost * utilisation)))}
	s.VCPUs = s.Hosts * c.Workers
	// Two minutes of the largest are a million images.
	seconds := 120.0
	if c.Rate < 1000 {
		seconds = 1800
	}
	o := simulate(plan{times: t, hosts: s.Hosts, workers: c.Workers, slots: slotsOf(c.Workers), rate: func(float64) float64 { return c.Rate }, peak: c.Rate, until: seconds, every: 1, seed: 2})
	s.P50, s.P99 = percentile(o.Latencies, 0.5), percentile(o.Latencies, 0.99)
	for _, p := range o.Points {
		s.InFlight += p.InFlight / float64(len(o.Points))
	}
	s.Receives, s.Deletes = float64(o.Receives)/float64(o.Done), float64(o.Deletes)/float64(o.Done)
	return s
}

// day is a day's curve with a spike, and autoscaling on the backlog per worker.
type day struct {
	scenario
	Target                     float64 // messages per worker
	MaxWaiting, MaxAge         float64
	P50, P99                   float64
	P50Calm, P99Calm           float64 // of uploads before the spike, and from three hours after its begin
	MinVCPUs, MaxVCPUs         float64
	VCPUHours, Busy            float64
	Recovered                  float64 // seconds from the spike's begin until the queue is as short as before
	Images                     float64
	Receives, Deletes, Extends float64 // per image
	EmptyPolls                 float64 // of the day
	Points                     []point
}

const (
	secondsOfDay = 86400
	spikeAt      = 18 * 3600
	spikeLasts   = 600
	spikeFactor  = 10
	// acceptable is how long an image may wait, seconds: a choice.
	acceptable = 10
)

// curve is the day's rate for a mean of 1: least at four in the night, most at four in the
// afternoon, and for ten minutes of the evening ten times what it would be.
func curve(t float64) float64 {
	r := 1 - 0.6*math.Cos(2*math.Pi*(t/3600-4)/24)
	if t >= spikeAt && t < spikeAt+spikeLasts {
		r *= spikeFactor
	}
	return r
}

func runDay(c scenario, t times, l lags, coreMS float64) day {
	rate, workers := c.Rate/c.Factor, c.Workers
	if c.Factor > 1 {
		workers = 4 // a hundredth of the load on the hosts of that size
	}
	perHost, _ := saturated(t, workers, slotsOf(workers))
	mean := math.Ceil(rate / perHost)
	d := day{scenario: c, Target: math.Round(acceptable / (coreMS / 1000)), MinVCPUs: math.Inf(1)}
	o := simulate(plan{
		times: t, hosts: int(mean), workers: workers, slots: slotsOf(workers), seed: 3, every: 10,
		rate: func(t float64) float64 { return rate * curve(t) }, peak: rate * 1.6 * spikeFactor, until: secondsOfDay,
		calm:   func(t float64) bool { return t < spikeAt || t > spikeAt+3*3600 },
		scaler: &scaler{Period: l.MetricPeriodSeconds, Out: l.ScaleOutPeriods, In: l.ScaleInPeriods, Again: l.ScaleInAgainPeriods, Part: l.ScaleInPart, Start: l.StartSeconds, Target: d.Target, Min: 1, Max: int(20 * mean)},
	})
	before := 0.0
	for _, p := range o.Points {
		d.MaxWaiting, d.MaxAge = max(d.MaxWaiting, p.Waiting*c.Factor), max(d.MaxAge, p.OldestAge)
		d.MinVCPUs, d.MaxVCPUs = min(d.MinVCPUs, p.Workers*c.Factor), max(d.MaxVCPUs, p.Workers*c.Factor)
		if p.T < spikeAt && p.T > spikeAt-3600 {
			before = max(before, p.Waiting)
		}
		if p.T > spikeAt+spikeLasts && d.Recovered == 0 && p.Waiting <= before {
			d.Recovered = p.T - spikeAt
		}
	}
	d.P50, d.P99 = percentile(o.Latencies, 0.5), percentile(o.Latencies, 0.99)
	d.P50Calm, d.P99Calm = percentile(o.Calm, 0.5), percentile(o.Calm, 0.99)
	d.VCPUHours = o.HostSeconds * float64(workers) * c.Factor / 3600
	d.Busy = o.CoreSeconds / (o.HostSeconds * float64(workers))
	n := float64(o.Done)
	d.Images = n * c.Factor
	d.Receives, d.Deletes, d.Extends, d.EmptyPolls = float64(o.Receives)/n, float64(o.Deletes)/n, float64(o.Extends)/n, float64(o.EmptyPolls)*c.Factor
	d.Points = o.Points
	return d
}

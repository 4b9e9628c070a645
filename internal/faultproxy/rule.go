package faultproxy

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"
)

// Fault is what is done to a request.
type Fault string

// The faults. Those from Duplicate on concern answers to ReceiveMessage alone.
const (
	None      Fault = ""
	Delay     Fault = "delay"      // passed on only after Rule.For
	Reset     Fault = "reset"      // the connection is reset, nothing is passed on
	Lost      Fault = "lost"       // passed on and carried out; then the connection is reset
	Internal  Fault = "internal"   // answered 500 in the service's words
	Throttle  Fault = "throttle"   // answered SlowDown, ThrottlingException, RequestThrottled
	Half      Fault = "half"       // carried out; the answer ends after half of its body
	Drip      Fault = "drip"       // carried out; the answer comes in small pieces, Rule.For in all
	BlackHole Fault = "black hole" // never answered
	Duplicate Fault = "duplicate"  // the messages are given out a second time, under the same receipt handles
	Copy      Fault = "copy"       // the messages are in their queue a second time: see Options.Resend
	Reorder   Fault = "reorder"    // the first messages of the answer come with a later one
)

// Rule does one fault to some requests.
type Rule struct {
	Fault     Fault
	Service   string        // "s3", "sqs", "sns"; empty: all
	Operation string        // "PutObject", "ReceiveMessage", …; empty: all
	Bucket    string        // of S3; empty: all
	OneIn     int           // one of so many requests on average, by chance; 0 and 1: every one
	First     int           // not the first so many that it is about
	Limit     int           // so many times at most; 0: no limit
	For       time.Duration // of Delay and Drip
}

// rule is a Rule and what has become of it. Proxy.mu guards it.
type rule struct {
	Rule
	met, done int
}

// choice is what a request meets.
type choice struct {
	Rule
	n uint64 // which request of its operation it is
}

// choose picks the first rule that strikes.
func (p *Proxy) choose(c call) choice {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := c.service + "." + c.operation
	n := p.counts[name]
	p.counts[name]++
	for i := range p.rules {
		r := &p.rules[i]
		if !r.about(c) {
			continue
		}
		r.met++
		if r.met <= r.First || r.Limit > 0 && r.done >= r.Limit || !strikes(p.opts.Seed, i, name, n, r.OneIn) {
			continue
		}
		r.done++
		p.injected[string(r.Fault)+" "+name]++
		return choice{r.Rule, n}
	}
	return choice{n: n}
}

func (r *rule) about(c call) bool {
	switch {
	case r.Service != "" && r.Service != c.service, r.Operation != "" && r.Operation != c.operation, r.Bucket != "" && r.Bucket != c.bucket:
		return false
	case r.Fault == Duplicate || r.Fault == Copy || r.Fault == Reorder:
		return c.operation == "ReceiveMessage"
	}
	return true
}

// strikes draws, the same for the same arguments, whether a request meets its fault.
func strikes(seed uint64, index int, name string, n uint64, oneIn int) bool {
	if oneIn <= 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(name + "/" + strconv.Itoa(index)))
	return rand.New(rand.NewPCG(seed, h.Sum64()^n*0x9e3779b97f4a7c15)).IntN(oneIn) == 0
}

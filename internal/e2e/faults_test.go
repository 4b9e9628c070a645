package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	fp "github.com/tintype/tintype/internal/faultproxy"
)

// seed makes a run's faults. TINTYPE_FAULT_SEED repeats those of a run that failed.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("TINTYPE_FAULT_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TINTYPE_FAULT_SEED=%q: %v", text, err)
		}
	}
	t.Logf("TINTYPE_FAULT_SEED=%d", n)
	return n
}

// faultClass is one kind of trouble between the tiers and the endpoint.
type faultClass struct {
	name  string
	rules []fp.Rule
}

// quick are the classes that cost moments: the SDK or the tiers repeat what failed.
var quick = []faultClass{
	{"latency", []fp.Rule{{Fault: fp.Delay, OneIn: 3, For: 100 * time.Millisecond}}},
	{"resets", []fp.Rule{{Fault: fp.Reset, OneIn: 6}}},
	{"errors 500", []fp.Rule{{Fault: fp.Internal, OneIn: 6}}},
	{"throttling", []fp.Rule{{Fault: fp.Throttle, OneIn: 6}}},
	{"half answers", []fp.Rule{{Fault: fp.Half, Service: "s3", OneIn: 6}, {Fault: fp.Half, Service: "sns", OneIn: 6}, {Fault: fp.Half, Operation: "DeleteMessageBatch", OneIn: 3}}},
	{"slow bodies", []fp.Rule{{Fault: fp.Drip, OneIn: 4, For: 300 * time.Millisecond}}},
}

// lost are answers that do not arrive though the work is done. That to a receive costs the
// messages a lease, so there are few of those.
func lost(receives int) faultClass {
	return faultClass{"lost answers", []fp.Rule{
		{Fault: fp.Lost, Service: "s3", OneIn: 6}, {Fault: fp.Lost, Service: "sns", OneIn: 4},
		{Fault: fp.Lost, Operation: "DeleteMessageBatch", OneIn: 4}, {Fault: fp.Lost, Operation: "ReceiveMessage", OneIn: 4, First: 2, Limit: receives},
		{Fault: fp.Half, Operation: "ReceiveMessage", OneIn: 4, First: 2, Limit: receives},
	}}
}

// silence is no answer at all, once for each operation of an image's way. A tier notices
// after half a minute.
var silence = faultClass{"silence", []fp.Rule{
	{Fault: fp.BlackHole, Operation: "GetObject", Bucket: "tintype-uploads", First: 1, Limit: 1}, {Fault: fp.BlackHole, Operation: "GetObject", Bucket: "tintype-results", First: 2, Limit: 1},
	{Fault: fp.BlackHole, Operation: "PutObject", Bucket: "tintype-results", First: 2, Limit: 1}, {Fault: fp.BlackHole, Operation: "Publish", First: 1, Limit: 1},
	{Fault: fp.BlackHole, Operation: "DeleteMessageBatch", Limit: 1}, {Fault: fp.BlackHole, Operation: "ReceiveMessage", First: 3, Limit: 1},
	{Fault: fp.BlackHole, Operation: "ChangeMessageVisibilityBatch", Limit: 1}, {Fault: fp.BlackHole, Operation: "PutObject", Bucket: "tintype-uploads", First: 1, Limit: 1},
}}

// repeated are messages that come more than once, and in another order.
var repeated = []faultClass{
	{"duplicates", []fp.Rule{{Fault: fp.Duplicate}}},
	{"copies", []fp.Rule{{Fault: fp.Copy}}},
	{"another order", []fp.Rule{{Fault: fp.Reorder, OneIn: 2}, {Fault: fp.Duplicate, OneIn: 2}}},
}

// everything is all of it at once, each a little rarer.
func everything(receives int) faultClass {
	return faultClass{"everything", slices.Concat(silence.rules, lost(receives).rules, []fp.Rule{
		{Fault: fp.Copy, OneIn: 3}, {Fault: fp.Duplicate, OneIn: 3}, {Fault: fp.Reorder, OneIn: 3},
		{Fault: fp.Reset, OneIn: 20}, {Fault: fp.Internal, OneIn: 20}, {Fault: fp.Throttle, OneIn: 20}, {Fault: fp.Half, Service: "s3", OneIn: 20},
		{Fault: fp.Delay, OneIn: 10, For: 100 * time.Millisecond}, {Fault: fp.Drip, OneIn: 10, For: 300 * time.Millisecond},
	})}
}

// TestFaults lets images through a network and services that fail in every way, with two app
// processes at work: nothing is lost, nothing is told twice, nothing is stuck.
func TestFaults(t *testing.T) {
	for name, f := range map[string]func(*testing.T, *system){
		"quick":      func(t *testing.T, s *system) { faults(t, s, 1, 12, quick...) },
		"lost":       func(t *testing.T, s *system) { faults(t, s, 1, 24, lost(1)) },
		"silence":    func(t *testing.T, s *system) { faults(t, s, 1, 24, silence) },
		"messages":   func(t *testing.T, s *system) { faults(t, s, 2, 15, repeated...) },
		"everything": func(t *testing.T, s *system) { faults(t, s, 2, 40, everything(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.startEndpoint("--log-level", "warn")
			f(t, s)
		})
	}
}

// TestFaultsOtherEndpoint is the same, with two of each tier, on an endpoint that is not ours.
func TestFaultsOtherEndpoint(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		if strings.HasSuffix(t.Name(), "/embedded") {
			t.Skip("TestFaults has this one")
		}
		s := newSystem(t)
		s.at(endpoint)
		faults(t, s, 2, 30, everything(1))
	})
}

// faults lets n images through for each class, with two app processes and so many web
// tiers behind the proxy, and checks what became of all of them.
func faults(t *testing.T, s *system, webs, n int, classes ...faultClass) {
	p := fp.New(t, fp.Options{Target: s.url, Seed: seed(t), Resend: func(queueURL, body string) {
		if _, err := s.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: &body}); err != nil {
			t.Errorf("send a copy: %v", err)
		}
	}})
	s.provision()
	announced := watchCompletions(t, s)
	s.through(p.URL)
	for range 2 {
		s.appAddr = freeAddr(t)
		s.startApp("--log-level", "warn")
	}
	var urls []string
	for range webs {
		s.webAddr = freeAddr(t)
		s.startWeb("--log-level", "warn")
		urls = append(urls, s.web())
	}
	l := newLedger()
	for _, class := range classes {
		before := p.Injected()
		p.Set(class.rules...)
		<-s.feed(t, l, n, urls...)
		within(t, 4*time.Minute, class.name+": every image ends", func() error { return s.ended(l) })
		struck := 0
		for fault, times := range p.Injected() {
			struck += times - before[fault]
		}
		if struck == 0 {
			t.Errorf("%s: no request met a fault", class.name)
		}
		t.Logf("%s: %d faults", class.name, struck)
	}
	p.Set()
	check(t, s, l, announced, expectations{events: func(key string) int {
		if strings.HasPrefix(key, "outside/") {
			return 1 // past the proxy
		}
		return p.Puts("tintype-uploads", key)
	}})
	injected := p.Injected()
	for _, fault := range slices.Sorted(maps.Keys(injected)) {
		t.Logf("%4d × %s", injected[fault], fault)
	}
}

// ended reports whether every image of a ledger has a result. Asking for those that are
// known to have one again would cost more than the images themselves.
func (s *system) ended(l *ledger) error {
	l.mu.Lock()
	var open []string
	for id := range l.promised {
		if !l.ended[id] {
			open = append(open, id)
		}
	}
	l.mu.Unlock()
	for i, id := range open {
		if _, err := s.manifest(id); err != nil {
			return fmt.Errorf("%d have not, %s for one: %w", len(open)-i, id, err)
		}
		l.mu.Lock()
		l.ended[id] = true
		l.mu.Unlock()
	}
	return nil
}

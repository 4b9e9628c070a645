// Package faultproxy stands between the tiers and an endpoint that speaks S3, SNS and SQS,
// and does to their requests what networks and busy services do: delays, resets, errors,
// answers that are lost or cut, silence, messages that come twice or out of order.
//
// Only tests import it; of ours it imports nothing. Signatures cover the Host header, so
// it passes every header on as it came: clients sign for the proxy's address, and the
// endpoint verifies for that address.
package faultproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// maxBody bounds a request or an answer that passes, in bytes.
const maxBody = 256 << 20

// Options for a Proxy.
type Options struct {
	// Target is the base URL of the endpoint. Required.
	Target string
	// Seed makes the faults: with the same seed, the same rules meet the nth request of each
	// operation. In which order requests of different operations come is the processes' doing.
	Seed uint64
	// Resend, where set, is given each message that the fault Copy chooses, to send it to its
	// queue once more, past the proxy.
	Resend func(queueURL, body string)
}

// Proxy is a running proxy. It is safe for concurrent use.
type Proxy struct {
	URL string // "http://127.0.0.1:40123"

	opts   Options
	target *url.URL
	client *http.Transport
	srv    *http.Server
	ended  context.Context
	end    context.CancelFunc

	mu       sync.Mutex
	rules    []rule
	counts   map[string]uint64 // requests by service and operation
	injected map[string]int    // faults by "fault service.operation"
	puts     map[string]int    // objects by "bucket/key": how often a write was passed on
	spare    map[string][]message
	given    map[string]int // messages by queue URL: how many were given out
	copied   map[string]bool
	resends  sync.WaitGroup
}

// New starts a proxy on a free port of the loopback interface; it ends with the test.
func New(t testing.TB, opts Options) *Proxy {
	t.Helper()
	target, err := url.Parse(opts.Target)
	if err != nil || target.Host == "" {
		t.Fatalf("faultproxy: the target %q is no URL: %v", opts.Target, err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	p := &Proxy{
		URL: "http://" + ln.Addr().String(), opts: opts, target: target,
		client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, ExpectContinueTimeout: time.Second},
		counts: map[string]uint64{}, injected: map[string]int{}, puts: map[string]int{}, spare: map[string][]message{}, given: map[string]int{}, copied: map[string]bool{},
	}
	p.ended, p.end = context.WithCancel(context.Background())
	p.srv = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = p.srv.Serve(ln) // until it is closed
	}()
	t.Cleanup(func() {
		p.end()
		_ = p.srv.Close()
		<-stopped
		p.resends.Wait()
		p.client.CloseIdleConnections()
	})
	return p
}

// Set replaces the rules; requests under way keep the old ones.
func (p *Proxy) Set(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	for _, r := range rules {
		p.rules = append(p.rules, rule{Rule: r})
	}
}

// Injected returns how often each fault was done, by "fault service.operation".
func (p *Proxy) Injected() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[string]int, len(p.injected))
	for k, n := range p.injected {
		out[k] = n
	}
	return out
}

// Puts is how often a write of an object was passed on to the endpoint.
func (p *Proxy) Puts(bucket, key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.puts[bucket+"/"+key]
}

// Calls is how many requests of an operation, "sqs.ReceiveMessage", have come.
func (p *Proxy) Calls(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.counts[operation])
}

// Given is how many messages of a queue were given out, repetitions included.
func (p *Proxy) Given(queueURL string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given[queueURL]
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	c := describe(r, body)
	chosen := p.choose(c)
	switch chosen.Fault {
	case Reset:
		reset(w)
		return
	case BlackHole:
		select {
		case <-r.Context().Done():
		case <-p.ended.Done():
		}
		panic(http.ErrAbortHandler)
	case Internal, Throttle:
		refusal(c, chosen).write(w)
		return
	case Delay:
		select {
		case <-time.After(chosen.For):
		case <-r.Context().Done():
		case <-p.ended.Done():
		}
	}
	if a := p.spared(c); a != nil {
		a.write(w)
		return
	}
	if c.bucket != "" && c.writes() {
		p.mu.Lock()
		p.puts[c.bucket+"/"+c.key]++
		p.mu.Unlock()
	}
	a, err := p.forward(r, body)
	if err != nil {
		reset(w) // as the endpoint itself would: it is away
		return
	}
	switch chosen.Fault {
	case Lost:
		reset(w)
	case Half:
		half(w, a)
	case Drip:
		p.drip(w, r, a, chosen.For)
	default:
		p.messages(c, chosen.Fault, a).write(w)
	}
}

// forward sends the request on and reads the whole answer. It goes on when the client
// leaves, as a service would that has the request already.
func (p *Proxy) forward(r *http.Request, body []byte) (*answer, error) {
	ctx := p.ended
	if r.Header.Get("X-Amz-Target") == "AmazonSQS.ReceiveMessage" {
		ctx = r.Context() // a long poll that nobody waits for must not take messages
	}
	u := *r.URL
	u.Scheme, u.Host = p.target.Scheme, p.target.Host
	out, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.URL, out.Host, out.Header = &u, r.Host, r.Header.Clone()
	if len(body) == 0 && r.ContentLength < 0 {
		out.Body = http.NoBody
	}
	resp, err := p.client.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodHead && resp.ContentLength >= 0 && int64(len(b)) != resp.ContentLength {
		return nil, fmt.Errorf("the answer has %d bytes of %d", len(b), resp.ContentLength)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: b, head: r.Method == http.MethodHead}, nil
}

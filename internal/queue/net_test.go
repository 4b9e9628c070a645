package queue

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/localawstest"
)

// wire stands between the engine and an endpoint. Silenced, it takes connections and bytes and
// passes nothing on, in neither direction: what a machine that vanished, or a firewall that
// forgot the connection, looks like from here.
type wire struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	loud  chan struct{} // closed while bytes pass
	conns []net.Conn
	wg    sync.WaitGroup
}

func newWire(t *testing.T, endpoint string) *wire {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln, target: u.Host, loud: make(chan struct{})}
	close(w.loud)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		ln.Close()
		w.mu.Lock()
		select {
		case <-w.loud:
		default:
			close(w.loud)
		}
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

func (w *wire) URL() string { return "http://" + w.ln.Addr().String() }

func (w *wire) accept() {
	for {
		in, err := w.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.target)
		if err != nil {
			in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		w.wg.Go(func() { w.pass(out, in) })
		w.wg.Go(func() { w.pass(in, out) })
	}
}

func (w *wire) pass(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		loud := w.loud
		w.mu.Unlock()
		<-loud
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// silence has no connection answer any more, old or new, until resume.
func (w *wire) silence() (resume func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	loud := make(chan struct{})
	w.loud = loud
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		// What went silent stays so: only new connections get through.
		for _, c := range w.conns {
			c.Close()
		}
		w.conns = nil
		close(loud)
	}
}

// A black hole: connections that are taken and never answered, and one that dies under a poll.
func TestBlackHole(t *testing.T) {
	endpoint := localawstest.New(t).URL
	w := newWire(t, endpoint)
	direct := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
	url, _ := direct.queue(t, false)
	f := &live{client: sqs.NewFromConfig(awstest.Config(w.URL()))}
	e, stop := f.run(t, url, Options{Slots: 2, Wait: 2 * time.Second, DrainTimeout: time.Second}, func(ctx context.Context, m Message) Outcome { return Ack() })
	until(t, "ready", func() bool { ok, _ := e.Ready(); return ok })

	resume := w.silence()
	silent := time.Now()
	until(t, "not ready", func() bool { ok, _ := e.Ready(); return !ok })
	// The poll under way may have been new, and has its 2 s and the grace.
	if d := time.Since(silent); d > 2*time.Second+pollGrace+time.Second {
		t.Errorf("that nobody answers was noticed after %v", d)
	}
	if _, why := e.Ready(); why == "" {
		t.Error("no reason")
	}
	direct.send(t, url, 3)
	resume()
	until(t, "the messages that came meanwhile are handled", func() bool { return e.Stats().Acked == 3 })
	if ok, why := e.Ready(); !ok {
		t.Errorf("not ready again: %s", why)
	}
	stop()
}

// Several engines share a queue: none hoards. Counted are messages, not time; each takes the
// same number of steps on its way.
func TestEnginesShareFairly(t *testing.T) {
	endpoint := localawstest.New(t).URL
	const engines, messages = 4, 800
	setUp := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
	url, _ := setUp.queue(t, false)
	setUp.send(t, url, messages)

	var mu sync.Mutex
	share := make([]int, engines)
	total := 0
	all := make(chan struct{})
	// Nobody begins before everybody receives: the race for the first messages is not what is
	// asked about.
	var ready sync.WaitGroup
	ready.Add(engines)
	var once [engines]sync.Once
	for i := range engines {
		f := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
		f.run(t, url, Options{Slots: 6}, func(ctx context.Context, m Message) Outcome {
			once[i].Do(ready.Done)
			ready.Wait()
			work := time.NewTimer(5 * time.Millisecond) // a short image, on cores that are shared by all
			<-work.C
			mu.Lock()
			defer mu.Unlock()
			share[i]++
			if total++; total == messages {
				close(all)
			}
			return Ack()
		})
	}
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		t.Fatal("not done within two minutes")
	}
	mu.Lock()
	defer mu.Unlock()
	t.Log("shares:", fmt.Sprint(share))
	for i, n := range share {
		if equal := messages / engines; n < equal*3/4 || n > equal*5/4 {
			t.Errorf("engine %d has handled %d of %d messages, an equal share is %d", i, n, messages, equal)
		}
	}
}

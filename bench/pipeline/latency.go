package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/freeport"
)

// latencies are times on the clock in ms.
type latencies struct {
	What string    `json:"what"`
	MS   []float64 `json:"ms"`
}

// latency measures how long after its upload's acknowledgement an image's result is seen by a
// browser: idle beside the coupled call's whole time, and under a load of half of what the app
// tier can do.
func latency(ctx context.Context, b *bench) error {
	body, err := picture(b.o.photos, 1)
	if err != nil {
		return err
	}
	s, err := newSite(ctx, b)
	if err != nil {
		return err
	}
	defer s.close()
	for _, who := range b.contestants() {
		if err := s.latency(ctx, who, body); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
	}
	b.out.printLatency(os.Stdout)
	return nil
}

// site is a rig with web tiers and a browser.
type site struct {
	*rig
	procs   []*process
	coupled string // URL
	browser *browser
}

func newSite(ctx context.Context, b *bench) (s *site, err error) {
	r, err := newRig(ctx, b)
	if err != nil {
		return nil, err
	}
	s = &site{rig: r}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	var addr [3]string
	for i := range addr {
		if addr[i], err = freeport.Addr(); err != nil {
			return s, err
		}
	}
	s.coupled = "http://" + addr[1]
	web := "http://" + addr[0]
	for _, t := range []struct {
		name, ready string
		args        []string
	}{
		{"web", web, []string{"web", "--web-addr", addr[0]}},
		{"coupled web", s.coupled, []string{"web", "--mode", "coupled", "--coupled-web-addr", addr[1], "--process-url", "http://" + addr[2]}},
		{"coupled app", "http://" + addr[2], []string{"app", "--mode", "coupled", "--coupled-app-addr", addr[2]}},
	} {
		p, err := launch(r.dir, t.name, r.env, b.o.tintype, append(t.args, "--log-level", "warn")...)
		if err != nil {
			return s, err
		}
		s.procs = append(s.procs, p)
		if err := p.ready(ctx, t.ready+"/readyz"); err != nil {
			return s, err
		}
	}
	s.browser, err = open(ctx, web)
	return s, err
}

func (s *site) close() {
	if s.browser != nil {
		s.browser.close()
	}
	stopAll(s.procs)
	s.rig.close()
}

// idleImages is how many images tell the latency of an idle system, after some that do not count.
const idleImages = 60

func (s *site) latency(ctx context.Context, who string, body []byte) error {
	apps, err := s.apps(ctx, who, s.url, 1)
	if err != nil {
		return err
	}
	defer stopAll(apps)
	seen, called := latencies{What: who + ", idle"}, latencies{What: "coupled call, idle"}
	for i := range idleImages + 10 {
		up, err := s.browser.put(ctx, body)
		if err != nil {
			return err
		}
		at, err := s.browser.visible(ctx, up.id)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, apps[0].tail())
		}
		took := 0.0
		if who == ours { // in turn
			d, err := s.browser.call(ctx, s.coupled, body)
			if err != nil {
				return err
			}
			took = ms(d)
		}
		if i >= 10 {
			seen.MS = append(seen.MS, ms(at.Sub(up.acked)))
			called.MS = append(called.MS, took)
		}
	}
	b := s.b
	b.out.Latency = append(b.out.Latency, seen)
	if who == ours {
		b.out.Latency = append(b.out.Latency, called)
	}
	rate, err := s.capacity(ctx, body)
	if err != nil {
		return err
	}
	for _, share := range []float64{0.5} {
		loaded, err := s.loaded(ctx, body, rate*share)
		if err != nil {
			return err
		}
		loaded.What = fmt.Sprintf("%s, at %s images/s", who, strconv.FormatFloat(rate*share, 'f', 0, 64))
		b.out.Latency = append(b.out.Latency, loaded)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// capacity is how many images per second the app tier does when it has enough.
func (s *site) capacity(ctx context.Context, body []byte) (float64, error) {
	const n = 100
	before, err := s.depth(ctx, s.done)
	if err != nil {
		return 0, err
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(4 * clients)
	for range n {
		g.Go(func() error {
			_, err := s.browser.put(sending, body)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	from, err := s.depth(ctx, s.done)
	if err != nil {
		return 0, err
	}
	if from > before+n*3/4 { // it kept up with the uploads
		from = before
	}
	began := time.Now()
	_, err = s.until(ctx, s.done, before+n)
	return min(float64(before+n-from)/max(time.Since(began).Seconds(), 0.1), 200), err
}

// loaded uploads at a rate, whether earlier uploads are done or not.
func (s *site) loaded(ctx context.Context, body []byte, rate float64) (l latencies, err error) {
	n := max(20, int(rate*s.b.o.load.Seconds()))
	l.MS = make([]float64, n)
	g, sending := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range n {
		select {
		case <-time.After(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second))))):
		case <-ctx.Done():
			return l, ctx.Err()
		}
		g.Go(func() error {
			up, err := s.browser.put(sending, body)
			if err != nil {
				return err
			}
			at, err := s.browser.visible(sending, up.id)
			l.MS[i] = ms(at.Sub(up.acked))
			return err
		})
	}
	return l, g.Wait()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// callRow is what a contestant asks of AWS for an image, by kind.
type callRow struct {
	Who    string             `json:"who"`
	Images int                `json:"images"`
	Calls  map[string]float64 `json:"calls"` // per image
}

// calls counts the requests of a loaded app tier, at a proxy in front of the endpoint. The proxy
// takes processor time of its own: nothing else is measured meanwhile.
func calls(ctx context.Context, b *bench) error {
	body, err := picture(b.o.photos, b.o.megapixels[0])
	if err != nil {
		return err
	}
	r, err := newRig(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	for _, who := range b.contestants() {
		const n = 300
		before, err := r.depth(ctx, r.done)
		if err == nil {
			err = r.fill(ctx, body, n)
		}
		if err != nil {
			return err
		}
		proxy, err := newProxy(r.url, nil)
		if err != nil {
			return err
		}
		apps, err := r.apps(ctx, who, proxy.url, 1)
		if err != nil {
			return err
		}
		_, err = r.until(ctx, r.done, before+warm)
		began := proxy.counts()
		from, err2 := r.depth(ctx, r.done)
		to := 0
		if err = errors.Join(err, err2); err == nil {
			to, err = r.until(ctx, r.done, before+n-warm)
		}
		ended := proxy.counts()
		stopAll(apps)
		proxy.close()
		if err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		row := callRow{Who: who, Images: to - from, Calls: map[string]float64{}}
		for kind, k := range ended {
			if k > began[kind] {
				row.Calls[kind] = float64(k-began[kind]) / float64(row.Images)
			}
		}
		b.out.Calls = append(b.out.Calls, row)
		if _, err := r.until(ctx, r.done, before+n-24); err != nil { // what was in hand
			return err
		}
	}
	b.out.printCalls(os.Stdout)
	return nil
}

// proxy counts the calls that go through it, and delays those of the kinds it is told to.
type proxy struct {
	url string
	srv *http.Server
	mu  sync.Mutex
	n   map[string]int
}

func newProxy(target string, delays map[string]time.Duration) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{url: "http://" + ln.Addr().String(), n: map[string]int{}}
	keep := http.DefaultTransport.(*http.Transport).Clone()
	keep.MaxIdleConnsPerHost = 100
	forward := &httputil.ReverseProxy{Transport: keep, ErrorLog: log.New(io.Discard, "", 0), // polls that are cut off at a stop
		// The host of the request stays: it is signed.
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }}
	p.srv = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := kindOf(r)
		p.mu.Lock()
		p.n[kind]++
		p.mu.Unlock()
		if d := delays[kind]; d > 0 {
			time.Sleep(d)
		}
		forward.ServeHTTP(w, r)
	})}
	go func() {
		if err := p.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "proxy:", err)
		}
	}()
	return p, nil
}

// kindOf names a call: SQS's by its target, SNS's by the form it is, S3's by its method.
// Presences are an object for each process, not for each image.
func kindOf(r *http.Request) string {
	if t := r.Header.Get("X-Amz-Target"); t != "" {
		return "SQS " + t[strings.LastIndexByte(t, '.')+1:]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return "SNS Publish"
	}
	if strings.HasPrefix(r.URL.Path, "/"+results+"/.tintype/") {
		return "presence"
	}
	return "S3 " + r.Method
}

func (p *proxy) counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := make(map[string]int, len(p.n))
	for k, v := range p.n {
		n[k] = v
	}
	return n
}

func (p *proxy) close() { p.srv.Close() }

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/bench/photo"
	"github.com/tintype/tintype/internal/freeport"
)

// rig is the program's own endpoint, with a counting proxy before it.
type rig struct {
	o     options
	dir   string
	procs []*exec.Cmd
	proxy *counting
	s3    *s3.Client
}

// newRig starts an endpoint and makes the resources. Delays are how much longer the app
// tier's calls take, by kind, than the endpoint takes for them.
func newRig(ctx context.Context, o options, delays map[string]dist) (*rig, error) {
	dir, err := os.MkdirTemp("", "bench-scale-")
	if err != nil {
		return nil, err
	}
	r := &rig{o: o, dir: dir}
	addr := freeAddr()
	if err := r.start(os.Environ(), "http://"+addr+"/_tintype/health", "endpoint", "--endpoint-addr", addr, "--console-addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--log-level", "error"); err != nil {
		return r, err
	}
	target := &url.URL{Scheme: "http", Host: addr}
	r.proxy, err = newCounting(target, delays)
	if err != nil {
		return r, err
	}
	// Uploads and looks of our own go past the proxy: only the app tier's calls are counted.
	r.s3 = s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(target.String()), UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	cmd := exec.CommandContext(ctx, o.tintype, "provision")
	cmd.Env = awsEnv("http://" + addr)
	if out, err := cmd.CombinedOutput(); err != nil {
		return r, fmt.Errorf("provision: %w: %s", err, out)
	}
	return r, nil
}

func awsEnv(url string) []string {
	return append(os.Environ(), "AWS_ENDPOINT_URL="+url, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1")
}

// close ends what was started, by process id, and removes the data.
func (r *rig) close() {
	for i := len(r.procs) - 1; i >= 0; i-- {
		stop(r.procs[i])
	}
	if r.proxy != nil {
		r.proxy.close()
	}
	os.RemoveAll(r.dir)
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	_ = cmd.Wait()
}

// start starts the program and waits until a URL answers 200.
func (r *rig) start(env []string, ready string, args ...string) error {
	cmd := exec.Command(r.o.tintype, args...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: build it with `make build`", err)
	}
	r.procs = append(r.procs, cmd)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("tintype %s is not ready: %w", args[0], err)
		}
	}
}

// app starts an app tier and returns it with its address.
func (r *rig) app(workers, slots int) (*exec.Cmd, string, error) {
	addr := freeAddr()
	err := r.start(awsEnv(r.proxy.url), "http://"+addr+"/healthz", "app", "--app-addr", addr, "--workers", strconv.Itoa(workers), "--slots", strconv.Itoa(slots), "--presence", "0", "--log-level", "error")
	return r.procs[len(r.procs)-1], addr, err
}

func freeAddr() string {
	addr, err := freeport.Addr()
	if err != nil {
		return "127.0.0.1:0" // the program that is to take it will say why not
	}
	return addr
}

// put uploads n copies of a picture under a prefix.
func (r *rig) put(ctx context.Context, prefix string, body []byte, n int) error {
	for i := range n {
		key := fmt.Sprintf("%s/%04d.jpg", prefix, i)
		if _, err := r.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("tintype-uploads"), Key: &key, Body: bytes.NewReader(body)}); err != nil {
			return err
		}
	}
	return nil
}

// picture is a JPEG as a camera makes it.
func picture(photos string, w, h int) ([]byte, error) {
	tiles, err := photo.Tiles(photos)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, photo.Mosaic(tiles, w, h), &jpeg.Options{Quality: 92})
	return b.Bytes(), err
}

// result is what a manifest tells of an image.
type result struct {
	Status  string `json:"status"`
	Outputs []struct {
		Bytes int64 `json:"bytes"`
	} `json:"outputs"`
	Timings struct {
		Started   time.Time `json:"started"`
		Finished  time.Time `json:"finished"`
		FetchMS   float64   `json:"fetchMs"`
		ProcessMS float64   `json:"processMs"`
		StoreMS   float64   `json:"storeMs"`
	} `json:"timings"`
	Source struct {
		Key string `json:"key"`
	} `json:"source"`
}

// results reads the manifests of the images under a prefix, and how long all their objects are.
func (r *rig) results(ctx context.Context, prefix string) (done []result, err error) {
	pages := s3.NewListObjectsV2Paginator(r.s3, &s3.ListObjectsV2Input{Bucket: aws.String("tintype-results")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if !strings.HasSuffix(*o.Key, "/manifest.json") {
				continue
			}
			out, err := r.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("tintype-results"), Key: o.Key})
			if err != nil {
				return nil, err
			}
			var m result
			err = json.NewDecoder(out.Body).Decode(&m)
			out.Body.Close()
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(m.Source.Key, prefix+"/") {
				if m.Status != "done" {
					return nil, fmt.Errorf("%s is %s", m.Source.Key, m.Status)
				}
				done = append(done, m)
			}
		}
	}
	return done, nil
}

// finished waits until app tiers have done n images together.
func finished(ctx context.Context, addrs []string, n int) error {
	for {
		sum := 0
		for _, a := range addrs {
			done, err := counter("http://"+a+"/metrics", "tintype_images_done_total")
			if err != nil {
				return err
			}
			sum += done
		}
		if sum >= n {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// counter reads one figure of Prometheus's text format.
func counter(url, name string) (int, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.Atoi(v)
		}
	}
	return 0, nil // not at work yet
}

// counting is a proxy that counts and times calls by kind.
type counting struct {
	url  string
	srv  *http.Server
	mu   sync.Mutex
	n    map[string]int
	took map[string][]float64 // ms
}

func newCounting(target *url.URL, delays map[string]dist) (*counting, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counting{url: "http://" + ln.Addr().String(), n: map[string]int{}, took: map[string][]float64{}}
	chance := newRnd(5)
	// Rewrite keeps the host of the request, which is signed.
	p := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), // polls that are cut off at a stop
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host }}
	c.srv = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := kindOf(r)
		began := time.Now()
		if d := delays[kind]; d != nil {
			c.mu.Lock()
			wait := d(chance)
			c.mu.Unlock()
			time.Sleep(time.Duration(wait * float64(time.Second)))
		}
		p.ServeHTTP(w, r)
		c.mu.Lock()
		c.n[kind]++
		c.took[kind] = append(c.took[kind], float64(time.Since(began).Microseconds())/1000)
		c.mu.Unlock()
	})}
	go func() {
		if err := c.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "proxy:", err)
		}
	}()
	return c, nil
}

// kindOf names a call: SQS's by its target, SNS's by the form it is, S3's by method and bucket.
func kindOf(r *http.Request) string {
	if t := r.Header.Get("X-Amz-Target"); t != "" {
		return "sqs " + t[strings.LastIndexByte(t, '.')+1:]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return "sns Publish"
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	what := "object"
	if strings.HasSuffix(key, "/manifest.json") {
		what = "manifest"
	}
	return "s3 " + r.Method + " " + strings.TrimPrefix(bucket, "tintype-") + " " + what
}

// take returns the counts and median times, in ms, since the last call.
func (c *counting) take() (n map[string]int, median map[string]float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, median = c.n, map[string]float64{}
	for k, all := range c.took {
		slices.Sort(all)
		median[k] = all[len(all)/2]
	}
	c.n, c.took = map[string]int{}, map[string][]float64{}
	return n, median
}

func (c *counting) close() { c.srv.Close() }

// cpu is the processor time, user and system, of a process and its children, in seconds.
// proc(5): fields 14 to 17, counted behind the command's name, in ticks of 10 ms.
func cpu(pid int) float64 {
	total := 0.0
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		parent, _ := strconv.Atoi(f[1])
		own, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if own != pid && parent != pid {
			continue
		}
		for _, i := range []int{11, 12, 13, 14} { // the last two: of children that have ended
			ticks, _ := strconv.Atoi(f[i])
			total += float64(ticks) / 100
		}
	}
	return total
}

// Package awstest gives tests a real endpoint that speaks S3, SQS and SNS, so that one
// acceptance suite runs against every endpoint there is.
//
// Only tests import it. Endpoints: the embedded one, the moto server where it is
// installed, and whatever TINTYPE_TEST_ENDPOINT names (credentials test/test). Of ours
// it imports localawstest alone.
package awstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/localawstest"
)

// Region is the region of every test endpoint.
const Region = "us-east-1"

// Each runs f once for each endpoint that can be had here, as a subtest named after it.
// The subtest is skipped, with the reason, where an endpoint cannot be had.
func Each(t *testing.T, f func(t *testing.T, endpoint string)) {
	t.Run("embedded", func(t *testing.T) { f(t, localawstest.New(t).URL) })
	t.Run("moto", func(t *testing.T) { f(t, Moto(t)) })
	if url := os.Getenv("TINTYPE_TEST_ENDPOINT"); url != "" {
		t.Run("given", func(t *testing.T) { f(t, url) })
	}
}

// Config is an SDK configuration for an endpoint, with the credentials test/test.
func Config(endpoint string) aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

// Moto starts a moto server of the test's own and stops it when the test ends.
func Moto(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed: pip install 'moto[server]'")
	}
	// The port is free when it is chosen and may be taken a moment later: try again then.
	for range 5 {
		addr, err := freeport.Addr()
		if err != nil {
			t.Fatal(err)
		}
		url, err := startMoto(t, bin, addr)
		if err == nil {
			return url
		}
		t.Logf("moto on %s: %v", addr, err)
	}
	t.Fatal("moto_server did not start")
	return ""
}

func startMoto(t *testing.T, bin, addr string) (string, error) {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	// Not under t.Context(): it ends before the clean-ups, which still speak to the server.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "-H", "127.0.0.1", "-p", port)
	log := &tail{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed, as a rule; what it said is in log
		close(exited)
	}()
	stop := func() {
		_ = cmd.Process.Kill() // fails where it has ended by itself
		<-exited
	}

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	url := "http://" + addr
	probe := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/moto-api/data.json", http.NoBody)
		if err != nil {
			stop()
			return "", err
		}
		if res, err := probe.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				t.Cleanup(stop)
				return url, nil
			}
		}
		select {
		case <-tick.C:
		case <-exited:
			return "", fmt.Errorf("it ended: %s", log)
		case <-ctx.Done():
			stop()
			return "", errors.Join(ctx.Err(), fmt.Errorf("not ready: %s", log))
		}
	}
}

// tail keeps the last bytes of a child's output for the report of a failure.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 1<<16 {
		l.buf.Next(l.buf.Len() - 1<<12)
	}
	return l.buf.Write(p)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-2000):])
}

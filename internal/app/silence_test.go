package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// TestSilenceEndsARequest: an answer that does not come, or stops in the middle, is an error
// in time; one that comes in pieces is waited for, for longer than a silence may last.
func TestSilenceEndsARequest(t *testing.T) {
	const quiet = 200 * time.Millisecond
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/never":
			<-ended
		case "/half":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half of it")
			_ = http.NewResponseController(w).Flush()
			<-ended
		case "/slow":
			tick := time.NewTicker(quiet / 4)
			defer tick.Stop()
			for range 12 {
				<-tick.C
				fmt.Fprint(w, "x")
				_ = http.NewResponseController(w).Flush()
			}
		}
	}))
	defer srv.Close()
	defer close(ended)
	client := impatient(awshttp.NewBuildableClient(), quiet)
	get := func(path string) (string, error) {
		// A bound for the test alone, well beyond what is measured.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, http.NoBody)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	for _, path := range []string{"/never", "/half"} {
		_, err := get(path)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want a time-out of the connection", path, err)
		}
	}
	if b, err := get("/slow"); err != nil || len(b) != 12 {
		t.Errorf("an answer that takes its time: %q, %v", b, err)
	}
	if _, err := get("/"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestLargeBodiesAreSentWhole: a body of many pieces arrives as it is, and an error of its source
// ends the request.
func TestLargeBodiesAreSentWhole(t *testing.T) {
	type upload struct {
		sum  [sha256.Size]byte
		size int64
	}
	came := make(chan upload, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		came <- upload{[sha256.Size]byte(h.Sum(nil)), n}
	}))
	defer srv.Close()
	client := impatient(awshttp.NewBuildableClient(), 10*time.Second)
	for _, size := range []int{0, 1, 4 << 10, 128 << 10, 128<<10 + 1, 3<<20 + 7} {
		body := make([]byte, size)
		_, _ = rand.Read(body) // never fails
		for _, length := range []int64{int64(size), -1} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL, io.NopCloser(bytes.NewReader(body)))
			req.ContentLength = length
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if up := <-came; up.size != int64(size) || up.sum != sha256.Sum256(body) {
				t.Errorf("of %d bytes, %d came", size, up.size)
			}
		}
	}
	broken := errors.New("the source is broken")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL, io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(broken))))
	req.ContentLength = 2 << 20
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, broken) {
		t.Errorf("a source that breaks off: %v", err)
	}
}

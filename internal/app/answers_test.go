package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// closedEarly is a body as the SDK's is after the SDK has closed it, to which net/http's look for
// more of it comes too late.
type closedEarly struct{ io.Reader }

func (closedEarly) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }
func (closedEarly) Close() error                     { return nil }

// TestWholeAnswers: an answer that is quicker than the end of its request is read whole, and the
// connection is used again.
func TestWholeAnswers(t *testing.T) {
	answer := strings.Repeat("message ", 100_000)
	var connections atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	client := wholeAnswers{httpClient()}
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, closedEarly{strings.NewReader("request")})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len("request"))
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != answer {
			t.Fatalf("%d bytes of %d: %v", len(got), len(answer), err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for requests one after another", n)
	}
}

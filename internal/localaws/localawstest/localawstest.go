// Package localawstest starts the embedded endpoint for tests, on a free port and in a
// directory of the test's own. It imports localaws alone of ours.
package localawstest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/tintype/tintype/internal/localaws"
)

// Server is a running endpoint; it stops with the test.
type Server struct {
	URL        string // of S3, SNS and SQS; credentials test/test, region us-east-1
	ConsoleURL string
	Data       string // its directory

	t    testing.TB
	stop context.CancelFunc
	done chan error
	once sync.Once
}

// New starts an endpoint in a directory of its own.
func New(t testing.TB) *Server {
	t.Helper()
	return Open(t, t.TempDir())
}

// Open starts an endpoint on a directory that an earlier one may have left.
func Open(t testing.TB, data string) *Server {
	t.Helper()
	api, console := listen(t), listen(t)
	srv, err := localaws.Open(localaws.Options{Data: data, API: api, Console: console, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{URL: srv.URL(), ConsoleURL: "http://" + console.Addr().String(), Data: data, t: t, stop: stop, done: make(chan error, 1)}
	go func() { s.done <- srv.Run(ctx) }()
	t.Cleanup(s.Stop)
	return s
}

// Stop stops the endpoint cleanly; a second call does nothing.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.stop()
		if err := <-s.done; err != nil {
			s.t.Errorf("endpoint: %v", err)
		}
	})
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

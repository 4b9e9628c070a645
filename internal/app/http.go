package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

// listen takes an address, or says in one line who has it and what to do.
func listen(addr, what, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		return ln, nil
	}
	f := &fault.Error{Kind: fault.Permanent, Code: fault.CodeUnavailable, Err: err}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f.Message = fmt.Sprintf("%s for the %s is already in use", addr, what)
		f.Hint = fmt.Sprintf("stop the program that has it (another tintype?), or choose another address with --%s", flag)
		f.Err = nil
	case errors.Is(err, syscall.EACCES):
		f.Message = fmt.Sprintf("%s for the %s may not be taken by this user", addr, what)
		f.Hint = fmt.Sprintf("choose a port above 1023 with --%s", flag)
		f.Err = nil
	default:
		f.Message = fmt.Sprintf("%s for the %s cannot be taken", addr, what)
		f.Hint = fmt.Sprintf("choose another address with --%s", flag)
	}
	return nil, f
}

// newHTTPServer bounds what a client may hold of the server by being slow or large.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 15 * time.Second,
		// For requests and answers of common size; handlers of uploads and of streams set their own.
		ReadTimeout:    time.Minute,
		WriteTimeout:   2 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// serve serves h on ln until ctx ends, then lets requests under way finish for as
// long as drain, and closes what is left.
func serve(ctx context.Context, ln net.Listener, h http.Handler, drain time.Duration, log *slog.Logger) error {
	srv := newHTTPServer(h, log)
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Serve(ln) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		log.Warn("requests were cut off at the end of the drain time", "address", ln.Addr().String(), "drain", drain)
		_ = srv.Close() // reports only what Shutdown did
	}
	return nil
}

package app

import (
	"io"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// meter counts the bytes of a request's body as they leave. It counts at the
// connection rather than at the file, which the SDK reads once more for its hash.
type meter struct {
	report atomic.Pointer[func(sent int64)]
}

func (m *meter) start(report func(sent int64)) { m.report.Store(&report) }
func (m *meter) stop()                         { m.report.Store(nil) }

// meteredClient reports the bytes of each PUT that it sends.
type meteredClient struct {
	inner aws.HTTPClient
	meter *meter
}

func (c *meteredClient) Do(r *http.Request) (*http.Response, error) {
	if report := c.meter.report.Load(); report != nil && r.Method == http.MethodPut && r.Body != nil {
		// A retry is another request: it begins at nothing again.
		r.Body = &countedBody{ReadCloser: r.Body, report: *report}
	}
	return c.inner.Do(r)
}

type countedBody struct {
	io.ReadCloser
	sent   int64
	report func(int64)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sent += int64(n)
	b.report(b.sent)
	return n, err
}

// isTerminal reports whether w is a terminal that a progress bar can be drawn on.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

package s3

import (
	"io"
	"net/http"
	"strings"
)

// asked reports whether the client waits to be told before it sends its body.
func asked(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Expect"), "100-continue")
}

// invite answers a client that asks whether to send (Expect: 100-continue) and has
// nothing to send. net/http answers when the body is read, so never for an empty one;
// S3 always does. Python's SDK needs it: a final answer without the 100 spoils its
// connection, and the upload after the empty one hangs.
func invite(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 && asked(r) {
		w.WriteHeader(http.StatusContinue)
	}
}

// drainLimit is how much of a refused upload is read, bytes.
const drainLimit = 64 << 20

// upstream is a request's body that knows whether it was read from: with the first read
// net/http tells a client that asked to send. It does not take the place of the request's
// own body, by whose type net/http chooses how gently to close the connection.
type upstream struct {
	r     *http.Request
	begun bool
}

func (u *upstream) Read(p []byte) (int, error) {
	u.begun = true
	return u.r.Body.Read(p)
}

// drain reads what is left of the body of a request that was refused before its end: a
// client that is still sending when the connection closes does not see why. Who asked
// whether to send, and was not told to, has not begun.
func (u *upstream) drain() {
	if asked(u.r) && !u.begun {
		return
	}
	_, _ = io.CopyN(io.Discard, u.r.Body, drainLimit) // what cannot be read need not be
}

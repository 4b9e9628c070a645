package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

const (
	// maxJSON bounds a JSON body, in bytes.
	maxJSON = 64 << 10
	// jsonTimeout is how long a client may take to send one.
	jsonTimeout = 15 * time.Second
	// idleTimeout is how long an upload may stand still, and uploadTimeout how long it may take in all.
	idleTimeout   = 30 * time.Second
	uploadTimeout = 30 * time.Minute
)

// decodeJSON reads a small JSON body strictly: unknown members, a second value and
// other content types are refused. Where optional is set, no body at all leaves v as it is.
func decodeJSON(w http.ResponseWriter, r *http.Request, v any, optional bool) error {
	if optional && r.ContentLength == 0 {
		return nil
	}
	// A form of another site cannot send this type without asking first.
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(t), "application/json") {
		return refuse(codeMediaType, "Send it with the header Content-Type: application/json.", "The body must be JSON.")
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(jsonTimeout)); err != nil {
		return err
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if optional && err == io.EOF {
			return nil
		}
		return bodyFault(err)
	}
	if _, err := dec.Token(); err == nil {
		return bodyFault(errors.New("there is more after the first value"))
	} else if err != io.EOF {
		return bodyFault(err)
	}
	// A deadline that passed while we work would look like a client that went away.
	return rc.SetReadDeadline(time.Time{})
}

// bodyFault says in our words why a request's body could not be read.
func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case fault.As(err) != nil:
		return err
	case errors.As(err, &tooLarge):
		return refuse(codeRequestTooLarge, "", "The request is larger than the %d bytes allowed here.", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(codeSlow, "Try again over a better connection.", "The request's body came too slowly.")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(fault.CodeBadRequest, "", "The request's body ends too early.")
	}
	return refuse(fault.CodeBadRequest, "", "The request's body cannot be read: %.200s.", strings.TrimPrefix(err.Error(), "json: "))
}

// tailReader keeps the end of what was read through it: tailSize bytes at least.
type tailReader struct {
	r    io.Reader
	tail []byte
}

const tailSize = 1 << 10

func (t *tailReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.tail = append(t.tail, b[:n]...)
	if len(t.tail) > 64*tailSize {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-tailSize:]...)
	}
	return n, err
}

// patientReader lets a body take as long as it keeps coming: each read has idleTimeout,
// all of them together have until end. It overrides the server's own read timeout, which is
// meant for small requests.
type patientReader struct {
	r   io.Reader
	rc  *http.ResponseController
	end time.Time
}

func (p *patientReader) Read(b []byte) (int, error) {
	deadline := time.Now().Add(idleTimeout)
	if deadline.After(p.end) {
		deadline = p.end
	}
	if err := p.rc.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

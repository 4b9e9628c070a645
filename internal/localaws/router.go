package localaws

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/tintype/tintype/internal/localaws/sigv4"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// maxAPIBody bounds a request to SQS or SNS, bytes: a batch is at most 1 MiB of
// message bodies, which JSON escapes may make six times as long.
const maxAPIBody = 8 << 20

// HealthPath answers {"service":"tintype"} to anybody: how a client finds out that
// the endpoint on this port is ours.
const HealthPath = "/_tintype/health"

// router tells the three services' requests apart, as they share one port, and
// verifies the signatures of those whose protocol layer does not do it itself.
type router struct {
	verifier *sigv4.Verifier
	account  string
	sqs, sns *wire.Service
	s3       http.Handler // verifies signatures itself
	public   publicPages
}

// publicPages is the part of SNS that works without a signature: its certificate, and
// the links in its mails.
type publicPages interface {
	IsPublic(r *http.Request) bool
	ServePublic(w http.ResponseWriter, r *http.Request)
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scope, signed := sigv4.ScopeOf(r)
	switch {
	case r.URL.Path == HealthPath:
		note(w, "health", http.MethodGet)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"service":"tintype"}`+"\n")
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."), signed && scope.Service == "sqs":
		rt.api(w, r, rt.sqs)
	case signed && scope.Service == "sns":
		rt.api(w, r, rt.sns)
	case !signed && rt.public.IsPublic(r):
		note(w, rt.sns.Name, "page")
		rt.public.ServePublic(w, r)
	case !signed && isForm(r):
		// An unsigned call of SQS or SNS; which of them does not matter: both refuse it.
		rt.api(w, r, rt.sns)
	default:
		note(w, "s3", s3Method(r))
		rt.s3.ServeHTTP(w, r)
	}
}

func isForm(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// api serves SQS or SNS.
func (rt *router) api(w http.ResponseWriter, r *http.Request, s *wire.Service) {
	note(w, s.Name, "none")
	buf := bodies.Get().(*bytes.Buffer)
	defer release(buf)
	if err := readBody(buf, w, r); err != nil {
		s.Refuse(w, r, &wire.Error{Code: "RequestEntityTooLarge", Message: "The request is larger than this endpoint reads.", Status: http.StatusRequestEntityTooLarge})
		return
	}
	body := buf.Bytes()
	scope, err := rt.verifier.Verify(r, body, s.Name)
	if err != nil {
		s.Refuse(w, r, apiError(err))
		return
	}
	if op := s.Serve(w, r, body, wire.Identity{Account: rt.account, Region: scope.Region, Principal: scope.AccessKey}); op != "" {
		note(w, s.Name, op)
	}
}

// bodies are buffers for requests: nothing that a service decodes refers to them.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// trusted is how much is made ready because a client announces it, bytes; a buffer that
// grew beyond it is not kept.
const trusted = 64 << 10

func readBody(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	if n := min(r.ContentLength, trusted); n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxAPIBody))
	return err
}

func release(buf *bytes.Buffer) {
	if buf.Cap() <= 2*trusted {
		buf.Reset()
		bodies.Put(buf)
	}
}

func apiError(err error) *wire.Error {
	var e *sigv4.Error
	if errors.As(err, &e) {
		return &wire.Error{Code: e.Code, Message: e.Message, Status: e.Status()}
	}
	return &wire.Error{Code: "InternalFailure", Message: "The signature could not be checked.", Status: http.StatusInternalServerError}
}

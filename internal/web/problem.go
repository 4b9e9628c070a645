package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/fault"
	problems "github.com/tintype/tintype/internal/problem"
	"github.com/tintype/tintype/internal/store"
)

// problem is what errors are answered as.
type problem = problems.Document

// Codes that the web tier uses beside those of package fault.
const (
	codeCrossOrigin     = problems.CodeCrossOrigin
	codeHost            = problems.CodeHost
	codeMethod          = problems.CodeMethod
	codeSlow            = problems.CodeSlow
	codeRequestTooLarge = problems.CodeRequestTooLarge
	codeMediaType       = problems.CodeMediaType
	codeBusy            = problems.CodeBusy
	codeNoSpace         = problems.CodeNoSpace
)

// problemOf translates an error into what the client is told: of an image that is not there
// no more than that.
func problemOf(err error) problem {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return problems.New(fault.CodeNotFound, "There is no such image.", "")
	}
	p := problems.Of(err)
	var failed *coupled.FailedError
	if errors.As(err, &failed) {
		p.Instance = imageURL(failed.ImageID)
	}
	return p
}

// refuse makes the fault of a request that cannot be served as it is.
func refuse(code, hint, format string, args ...any) error {
	return problems.Refuse(code, hint, format, args...)
}

// fail answers err as a problem document and logs what is our own fault.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		// The client has gone; nobody reads an answer and nothing is wrong with us.
		return
	}
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "status", p.Status, "code", p.Code, "err", err)
	}
	s.metrics.refused.add(p.Code)
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p problem) { problems.Write(w, p) }

// writeJSON answers v. The body is made before the header is sent, so that a value
// that cannot be encoded becomes a 500 and not half a document.
func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

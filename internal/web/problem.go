package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

// problem is an RFC 9457 problem document, with two members of our own: a code for
// machines and a hint for people.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	Hint   string `json:"hint,omitempty"`
}

// kinds gives each code its HTTP status and its title. A code that is missing here
// is answered as our own fault.
var kinds = map[string]struct {
	status int
	title  string
}{
	fault.CodeNotAnImage:    {http.StatusUnsupportedMediaType, "Not an image"},
	fault.CodeUnsupported:   {http.StatusUnsupportedMediaType, "Unsupported image format"},
	fault.CodeCorrupt:       {http.StatusUnprocessableEntity, "Damaged image"},
	fault.CodeEmpty:         {http.StatusUnprocessableEntity, "Empty file"},
	fault.CodeTooLarge:      {http.StatusRequestEntityTooLarge, "File too large"},
	fault.CodeTooManyPixels: {http.StatusUnprocessableEntity, "Too many pixels"},
	fault.CodeBadAsset:      {http.StatusUnprocessableEntity, "A picture that the recipe needs cannot be used"},
	fault.CodeSideTooLong:   {http.StatusUnprocessableEntity, "Image too wide or too high"},
	fault.CodeImageTimeout:  {http.StatusUnprocessableEntity, "Takes too long"},
	fault.CodeImageMemory:   {http.StatusUnprocessableEntity, "Takes too much memory"},
	fault.CodeImageCrash:    {http.StatusUnprocessableEntity, "Cannot be processed"},
	fault.CodeTooManyFrames: {http.StatusUnprocessableEntity, "Too many frames"},
	fault.CodeUnknownRecipe: {http.StatusUnprocessableEntity, "Unknown recipe"},
	fault.CodeBadParameter:  {http.StatusUnprocessableEntity, "Bad parameter"},
	fault.CodeNotBuiltIn:    {http.StatusNotImplemented, "Not built in"},
	fault.CodeSourceGone:    {http.StatusGone, "Original gone"},
	fault.CodeBadRequest:    {http.StatusBadRequest, "Bad request"},
	fault.CodeNotFound:      {http.StatusNotFound, "Not found"},
	fault.CodeUnavailable:   {http.StatusServiceUnavailable, "Temporarily unavailable"},
	fault.CodeInternal:      {http.StatusInternalServerError, "Internal error"},

	codeCrossOrigin:     {http.StatusForbidden, "Cross-origin request refused"},
	codeHost:            {http.StatusMisdirectedRequest, "Unknown host"},
	codeMethod:          {http.StatusMethodNotAllowed, "Method not allowed"},
	codeSlow:            {http.StatusRequestTimeout, "Request too slow"},
	codeRequestTooLarge: {http.StatusRequestEntityTooLarge, "Request too large"},
	codeMediaType:       {http.StatusUnsupportedMediaType, "Wrong content type"},
	codeBusy:            {http.StatusServiceUnavailable, "Too many uploads at once"},

	auth.CodeSignedOut: {http.StatusUnauthorized, "Not signed in"},
	auth.CodeForbidden: {http.StatusForbidden, "Not allowed"},
	auth.CodeTooMany:   {http.StatusTooManyRequests, "Too many requests"},
}

// Codes that only the web tier uses.
const (
	codeCrossOrigin     = "cross_origin"
	codeHost            = "unknown_host"
	codeMethod          = "method_not_allowed"
	codeSlow            = "request_timeout"
	codeRequestTooLarge = "request_too_large"
	codeMediaType       = "wrong_content_type"
	codeBusy            = "busy"
)

// problemOf translates an error into what the client is told. Only faults marked
// permanent carry words meant for users; anything else stays general, and its
// cause goes to the log.
func problemOf(err error) problem {
	code, detail, hint := fault.CodeInternal, "Something went wrong on our side.", ""
	f := fault.As(err)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrGone):
		code, detail = fault.CodeNotFound, "There is no such image."
	case f != nil && f.Kind == fault.Permanent && kinds[f.Code].status != 0:
		code, detail, hint = f.Code, f.Message, f.Hint
	case f != nil && f.Kind == fault.Retry, f == nil && isTransient(err):
		code, detail, hint = fault.CodeUnavailable, "The storage or queue service does not answer just now.", "Try again in a moment."
	}
	k := kinds[code]
	return problem{Type: "about:blank", Title: k.title, Status: k.status, Detail: detail, Code: code, Hint: hint}
}

// refuse makes the fault of a request that cannot be served as it is.
func refuse(code, hint, format string, args ...any) error {
	f := fault.Permanentf(code, format, args...)
	f.Hint = hint
	return f
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

func writeProblem(w http.ResponseWriter, p problem) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/problem+json")
	body, err := json.Marshal(p)
	if err != nil {
		// Strings and an int always marshal; an empty body with the right status is the honest rest.
		body = nil
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

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

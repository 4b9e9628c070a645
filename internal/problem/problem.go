// Package problem answers errors over HTTP as RFC 9457 problem documents, for every tier that
// has an API of ours. Of ours it imports only internal/fault.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

// Document is an RFC 9457 problem document, with two members of our own: a code for
// machines and a hint for people.
type Document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	Hint   string `json:"hint,omitempty"`
	// Instance is the address of what the problem is about, where there is something.
	Instance string `json:"instance,omitempty"`
}

// ContentType is that of a problem document.
const ContentType = "application/problem+json"

// Codes of requests, beside those of package fault.
const (
	CodeCrossOrigin     = "cross_origin"
	CodeHost            = "unknown_host"
	CodeMethod          = "method_not_allowed"
	CodeSlow            = "request_timeout"
	CodeRequestTooLarge = "request_too_large"
	CodeMediaType       = "wrong_content_type"
	CodeBusy            = "busy"
	CodeSignedOut       = "signed_out"           // nobody, or not any more
	CodeForbidden       = "forbidden"            // somebody who may not do this
	CodeTooMany         = "too_many_requests"    // too often
	CodeNoSpace         = "insufficient_storage" // of the disk that uploads pass through
	CodeBadGateway      = "app_tier_unavailable" // the tier behind this one does not answer
	CodeGatewayTimeout  = "app_tier_timeout"     // the tier behind this one takes too long
)

// kind is what an answer with a code looks like.
type kind struct {
	status int
	title  string
}

// kinds gives each code its HTTP status and its title. A code that is missing here
// is answered as our own fault.
var kinds = map[string]kind{
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

	CodeCrossOrigin:     {http.StatusForbidden, "Cross-origin request refused"},
	CodeHost:            {http.StatusMisdirectedRequest, "Unknown host"},
	CodeMethod:          {http.StatusMethodNotAllowed, "Method not allowed"},
	CodeSlow:            {http.StatusRequestTimeout, "Request too slow"},
	CodeRequestTooLarge: {http.StatusRequestEntityTooLarge, "Request too large"},
	CodeMediaType:       {http.StatusUnsupportedMediaType, "Wrong content type"},
	CodeBusy:            {http.StatusServiceUnavailable, "Too many uploads at once"},
	CodeSignedOut:       {http.StatusUnauthorized, "Not signed in"},
	CodeForbidden:       {http.StatusForbidden, "Not allowed"},
	CodeTooMany:         {http.StatusTooManyRequests, "Too many requests"},
	CodeNoSpace:         {http.StatusInsufficientStorage, "No room for uploads"},
	CodeBadGateway:      {http.StatusBadGateway, "The app tier does not answer"},
	CodeGatewayTimeout:  {http.StatusGatewayTimeout, "The app tier takes too long"},
}

// New is the document of a code that is known.
func New(code, detail, hint string) Document {
	k, ok := kinds[code]
	if !ok {
		code = fault.CodeInternal
		k = kinds[code]
	}
	return Document{Type: "about:blank", Title: k.title, Status: k.status, Detail: detail, Code: code, Hint: hint}
}

// Of translates an error into what the client is told. Only faults marked permanent carry
// words meant for users; anything else stays general, and its cause is for the log.
func Of(err error) Document {
	f := fault.As(err)
	switch {
	case f != nil && f.Kind == fault.Permanent && kinds[f.Code].status != 0:
		return New(f.Code, f.Message, f.Hint)
	case f != nil && f.Kind == fault.Retry, f == nil && isTransient(err):
		return New(fault.CodeUnavailable, "The storage or queue service does not answer just now.", "Try again in a moment.")
	}
	return New(fault.CodeInternal, "Something went wrong on our side.", "")
}

// Refuse makes the fault of a request that cannot be served as it is.
func Refuse(code, hint, format string, args ...any) error {
	f := fault.Permanentf(code, format, args...)
	f.Hint = hint
	return f
}

// isTransient reports an error of the network or a time-out: worth trying again.
func isTransient(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, context.DeadlineExceeded)
}

// retryAfter is what a client is told to wait where a service is away or busy.
const retryAfter = 2 * time.Second

// Write answers d.
func Write(w http.ResponseWriter, d Document) {
	if d.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", ContentType)
	body, err := json.Marshal(d)
	if err != nil {
		// Strings and an int always marshal; an empty body with the right status is the honest rest.
		body = nil
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(append(body, '\n'))
}

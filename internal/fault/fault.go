// Package fault is the one error type that crosses package borders in Tintype.
//
// It says what was being done, to what kind of end that leads (Kind), a stable
// code for machines, words for the person whose image it is, and a hint for the
// person who can mend it. Every package may import it; it imports none of ours.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what may follow from a fault.
type Kind int

const (
	// Retry means the same call may succeed later: throttling, 5xx, network.
	// It is the zero value: a fault nobody classified is tried again rather than given up.
	Retry Kind = iota
	// Permanent means that repeating cannot help: the input itself is at fault.
	Permanent
	// Bug means our own code or set-up is wrong; repeating will not help until somebody mends it.
	Bug
)

func (k Kind) String() string {
	switch k {
	case Permanent:
		return "permanent"
	case Bug:
		return "bug"
	default:
		return "retry"
	}
}

// Codes of permanent faults. They are part of the API: the manifest, the problem
// documents and the metrics carry them.
const (
	CodeNotAnImage    = "not_an_image"       // the bytes are no image format known
	CodeUnsupported   = "unsupported_format" // a known format that is not enabled here
	CodeCorrupt       = "corrupt_image"      // an image, but truncated or damaged
	CodeEmpty         = "empty_file"         // zero bytes
	CodeTooLarge      = "too_large"          // more bytes than allowed
	CodeTooManyPixels = "too_many_pixels"    // width × height over the limit
	CodeSideTooLong   = "side_too_long"      // width or height over the limit
	CodeTooManyFrames = "too_many_frames"    // more animation frames than allowed
	CodeImageTimeout  = "image_timeout"      // it takes longer than an image may, twice
	CodeImageMemory   = "image_memory"       // it takes more memory than an image may, twice
	CodeImageCrash    = "image_crash"        // the imaging libraries crash over it, twice
	CodeUnknownRecipe = "unknown_recipe"     // no recipe of that name
	CodeBadParameter  = "bad_parameter"      // a recipe parameter that is unknown, ill-typed or out of range
	CodeBadAsset      = "bad_asset"          // a further picture that the recipe needs is missing or cannot be used
	CodeNotBuiltIn    = "not_built_in"       // a step or format that the libvips at hand cannot do
	CodeSourceGone    = "source_gone"        // the original was deleted before it was processed
	CodeInternal      = "internal"           // our fault
	CodeBadRequest    = "bad_request"        // the web API: a request that makes no sense
	CodeNotFound      = "not_found"          // the web API: nothing under that id
	CodeUnavailable   = "unavailable"        // a service we depend on does not answer
)

// Error carries an operation, a kind, a code, words for users, a hint and the cause.
type Error struct {
	Op      string // what was being done, to what: "fetch s3://bucket/key"
	Kind    Kind
	Code    string // one of the Code constants
	Message string // plain words for the person whose image it is; no internals
	Hint    string // what to do about it; may be empty
	// Outage says that the fault is of the surroundings, which all images share, and not of
	// this one: a service that does not answer or refuses everybody. It says nothing of Kind:
	// services recover by themselves, a set-up does not.
	Outage bool
	Err    error // the cause, for operators; may be nil
}

func (e *Error) Error() string {
	s := e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Permanentf makes a permanent fault with a code and a message for users.
func Permanentf(code, format string, args ...any) *Error {
	return &Error{Kind: Permanent, Code: code, Message: fmt.Sprintf(format, args...)}
}

// As returns the *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf is the kind of err; an error that is no *Error is Retry.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Retry
}

// CodeOf is the code of err, or CodeInternal.
func CodeOf(err error) string {
	if e := As(err); e != nil && e.Code != "" {
		return e.Code
	}
	return CodeInternal
}

// HintOf is the hint of err, or "".
func HintOf(err error) string {
	if e := As(err); e != nil {
		return e.Hint
	}
	return ""
}

// IsOutage reports whether err is a fault of the surroundings; see Error.Outage.
func IsOutage(err error) bool {
	e := As(err)
	return e != nil && e.Outage
}

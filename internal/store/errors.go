package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/outage"
)

var (
	// ErrGone means that an original is not there (any more).
	ErrGone = errors.New("the object is gone")
	// ErrChanged means that an original is there, but it is not the one asked for.
	ErrChanged = errors.New("the object has been overwritten")
	// ErrNotFound means that there is no image or no manifest under an id.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that somebody else wrote the manifest in between: read it again.
	ErrConflict = errors.New("written by somebody else in between")
	// ErrUnreadable means that what stands at a manifest's key is no manifest.
	ErrUnreadable = errors.New("not a manifest")
	// ErrMisplaced means that what stands at a manifest's key is another image's. It is
	// ErrUnreadable as well.
	ErrMisplaced = errors.New("the manifest of another image")
)

// code is the HTTP status and the S3 error code of err, or zero values.
func code(err error) (status int, code string) {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		status = re.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	return status, code
}

// is404 reports whether the object (not the bucket) is missing.
func is404(err error) bool {
	status, c := code(err)
	return c == "NoSuchKey" || c == "NotFound" || (status == http.StatusNotFound && c != "NoSuchBucket")
}

// classify turns what the SDK returned into a fault: passing trouble is Retry, a broken
// set-up (access, bucket, clock, signature) is Bug, so that no image is called bad
// because a policy is. Both are outages where another image would fare no better.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	kind := outage.Of(err)
	f := &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "the object store did not answer as it should", Hint: kind.Hint(), Outage: kind != outage.None, Err: err}
	status, c := code(err)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		f.Message = "the object store's answer was not waited for"
	case kind == outage.Credentials && transient(status, c):
		f.Message = "the object store does not accept the credentials any more"
	case status == 0 && c == "":
		// No answer at all: network, name resolution, credentials that cannot be fetched now.
	case transient(status, c):
	case c == "NoSuchBucket":
		f.Kind, f.Code, f.Outage = fault.Bug, fault.CodeInternal, true
		f.Message, f.Hint = "the bucket does not exist", "run `tintype provision`, or check the bucket names in the configuration"
	case status == http.StatusForbidden || status == http.StatusUnauthorized || kind != outage.None:
		f.Kind, f.Code = fault.Bug, fault.CodeInternal
		f.Message = "the object store refused access"
		if f.Hint == "" {
			f.Hint = "check the credentials, their policy and the clock; `tintype doctor` tests each piece"
		}
	default:
		f.Kind, f.Code = fault.Bug, fault.CodeInternal
		f.Message = "the object store refused the request"
	}
	return f
}

// ofThisObject is classify for reading one original. Being denied one may be a matter of that
// one, of its key for encryption or its owner; it must not hold up all others.
func ofThisObject(op string, err error) error {
	err = classify(op, err)
	var f *fault.Error
	if outage.Of(err) == outage.Denied && errors.As(err, &f) {
		f.Outage = false
	}
	return err
}

// whileReading is classify for a body under way. A connection that breaks is an outage; what
// is short or has another checksum is a bad transfer of this one object.
func whileReading(op string, err error) error {
	err = classify(op, err)
	var f *fault.Error
	if errors.As(err, &f) && !errors.Is(err, context.Canceled) {
		f.Outage = outage.Network(err)
	}
	return err
}

// transient knows throttling and server trouble by status and by the codes that the SDK
// itself retries, plus those that mend themselves only later than its retries last.
func transient(status int, code string) bool {
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return true
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return true
	}
	if _, ok := retry.DefaultRetryableErrorCodes[code]; ok {
		return true
	}
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed", "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch":
		return true
	}
	return false
}

// sentinel makes the permanent fault that matches want by errors.Is.
func sentinel(op string, want error, faultCode, message string, cause error) error {
	err := want
	if cause != nil {
		err = fmt.Errorf("%w: %w", want, cause)
	}
	return &fault.Error{Op: op, Kind: fault.Permanent, Code: faultCode, Message: message, Err: err}
}

package s3

import (
	"context"
	"errors"
	"net/http"
	"syscall"

	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// SQLite's result codes for a query given up because its context ended, and for a
// full disk.
// Source: https://www.sqlite.org/rescode.html
const (
	sqliteInterrupt = 9
	sqliteFull      = 13
)

func notImplemented(what string) error {
	return s3err.APIError{Code: "NotImplemented", Description: what, HTTPStatusCode: http.StatusNotImplemented}
}

func invalidArgument(name, value, description string) error {
	return s3err.InvalidArgumentError{ArgumentName: name, ArgumentValue: value, Description: description}
}

// update is db.Update for the backend's operations.
func (s *Service) update(ctx context.Context, fn func(*db.Tx) error) error {
	return s.db.Update(requestOf(ctx).ctx, fn)
}

// answer turns any error into one that S3 clients understand. What is not theirs to
// know is logged, and they get a 5xx.
func (s *Service) answer(op string, err error) error {
	if err == nil {
		return nil
	}
	var known s3err.S3Error
	if errors.As(err, &known) {
		return inWords(known)
	}
	var sqlite interface{ Code() int }
	result := 0
	if errors.As(err, &sqlite) {
		result = sqlite.Code() & 0xff
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), result == sqliteFull:
		s.log.Error("disk full: the request was refused; free space and it will work again", "op", op, "err", err)
		return s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), result == sqliteInterrupt:
		return s3err.GetAPIError(s3err.ErrIncompleteBody) // nobody is there to read it
	case errors.Is(err, db.ErrClosed):
		return s3err.APIError{Code: "ServiceUnavailable", Description: "The endpoint is shutting down. Please retry.", HTTPStatusCode: http.StatusServiceUnavailable}
	}
	s.log.Error("request failed", "op", op, "err", err)
	return s3err.GetAPIError(s3err.ErrInternalError)
}

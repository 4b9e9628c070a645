//go:build !linux

package app

import "errors"

// freeBytes is told on Linux alone.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }

//go:build unix && !linux

package isolate

import "errors"

func harden() error { return setLimits() }

func limitMemory(int64) error { return errors.New("no limit of memory per image here") }

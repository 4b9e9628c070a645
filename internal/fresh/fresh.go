// Package fresh keeps what was parsed from files as new as the files are: certificates,
// users, tokens. It needs no goroutine: who asks for the value has the files looked at,
// once a second at most. It imports nothing of ours.
package fresh

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// every is how long a look at the files holds.
	every = time.Second
	// settled is how old a file's time must be before it is believed to change with the
	// content: file systems tell times coarsely.
	settled = 2 * time.Second
)

// Files is a value that follows files.
type Files[T any] struct {
	paths  []string
	max    int64
	parse  func(contents [][]byte) (T, error)
	failed func(error)

	mu      sync.Mutex
	value   T
	seen    []os.FileInfo
	read    time.Time // when seen was taken
	looked  time.Time
	failing bool
}

// Open reads paths, each of at most max bytes, and parses them together. Later versions that
// cannot be read or parsed leave the value as it was; failed is told of the first in a row.
func Open[T any](parse func(contents [][]byte) (T, error), failed func(error), max int64, paths ...string) (*Files[T], error) {
	f := &Files[T]{paths: paths, max: max, parse: parse, failed: failed}
	if err := f.load(time.Now()); err != nil {
		return nil, err
	}
	return f, nil
}

// Get is the value as the files have it.
func (f *Files[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.looked) < every || !f.changed(now) {
		return f.value
	}
	err := f.load(now)
	if err != nil && !f.failing {
		f.failed(err)
	}
	f.failing = err != nil
	return f.value
}

// changed reports whether the files may differ from what was read. f.mu is held.
func (f *Files[T]) changed(now time.Time) bool {
	f.looked = now
	for i, path := range f.paths {
		info, err := os.Stat(path)
		if err != nil {
			return true // load says why
		}
		old := f.seen[i]
		if !os.SameFile(info, old) || !info.ModTime().Equal(old.ModTime()) || info.Size() != old.Size() || f.read.Sub(info.ModTime()) < settled {
			return true
		}
	}
	return false
}

// load reads and parses; without success everything stays as it is.
func (f *Files[T]) load(now time.Time) error {
	contents, seen := make([][]byte, len(f.paths)), make([]os.FileInfo, len(f.paths))
	for i, path := range f.paths {
		var err error
		if contents[i], seen[i], err = f.readOne(path); err != nil {
			return err
		}
	}
	value, err := f.parse(contents)
	if err != nil {
		return fmt.Errorf("%s: %w", f.paths[0], err)
	}
	f.value, f.seen, f.read, f.looked = value, seen, now, now
	return nil
}

func (f *Files[T]) readOne(path string) ([]byte, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat() // before the content: what changes meanwhile is read again
	if err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, f.max+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(content)) > f.max {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes", path, f.max)
	}
	return content, info, nil
}

package isolate

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/tintype/tintype/internal/fault"
)

// reason is why a child did not answer as it should.
type reason int

const (
	crashed reason = iota
	timedOut
	outOfMemory
	cancelled
)

func (r reason) code() string {
	switch r {
	case timedOut:
		return fault.CodeImageTimeout
	case outOfMemory:
		return fault.CodeImageMemory
	default:
		return fault.CodeImageCrash
	}
}

// failure is an attempt that came to nothing.
type failure struct {
	why  reason
	err  error
	said string // the last of the child's standard error, printable
}

// fault is what an image ends with over which two children have failed.
func (f *failure) fault(o Options) error {
	e := &fault.Error{Op: "process image", Kind: fault.Permanent, Code: f.why.code(), Err: f.err}
	switch f.why {
	case timedOut:
		e.Message = fmt.Sprintf("The image takes longer than %v to process.", o.Timeout)
		e.Hint = "Upload a smaller picture, or have --image-timeout raised."
	case outOfMemory:
		e.Message = "The image takes more memory to process than is allowed."
		e.Hint = "Upload a picture of fewer pixels, or have --image-memory raised."
	default:
		e.Message = "The image cannot be processed: the program that reads it fails."
		e.Hint = "Open it in an image program, save it again, and upload that."
	}
	return e
}

// judge tells from a child's end why it gave no answer. It has ended.
func judge(c *process, err error) *failure {
	f := &failure{why: crashed, said: c.said.String()}
	if errors.Is(err, errProtocol) {
		f.err = err // what it said was no answer; how it ended was our doing
		return f
	}
	f.err = errors.New(c.ending())
	status, ok := c.state.Sys().(syscall.WaitStatus)
	text := strings.ToLower(f.said)
	switch {
	// Nobody kills a child but its parent, which would know, and the kernel when memory has
	// run out.
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL && !c.killed.Load():
		f.why = outOfMemory
	// Go, glib and C++ end a process for which there is no memory, with these words.
	case strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory") ||
		strings.Contains(text, "failed to allocate") || strings.Contains(text, "bad_alloc"):
		f.why = outOfMemory
	}
	return f
}

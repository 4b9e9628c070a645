package isolate

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// canMeasure says that children's memory and processor time can be read.
const canMeasure = true

// usage measures a child from the outside, so that nothing it does can keep it from being
// measured.
type usage struct {
	clock  int32 // its processor time, as a clock
	before time.Duration
	status *os.File
}

func newUsage(pid int) *usage {
	// The clock of another process's time: MAKE_PROCESS_CPUCLOCK of linux/posix-timers.h.
	u := &usage{clock: int32(^pid<<3 | 2)}
	u.before = u.now()
	u.status, _ = os.Open(fmt.Sprintf("/proc/%d/status", pid)) // gone: then so is its memory
	return u
}

func (u *usage) now() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(u.clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// processor is the processor time used since newUsage.
func (u *usage) processor() time.Duration { return u.now() - u.before }

// memory is what the child holds of its own now, bytes: anonymous and shared memory, without
// the pages of program and libraries, which all children have in common.
// Format: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func (u *usage) memory() int64 {
	if u.status == nil {
		return 0
	}
	var buf [4 << 10]byte
	n, _ := u.status.ReadAt(buf[:], 0)
	return kilobytes(buf[:n], "\nRssAnon:") + kilobytes(buf[:n], "\nRssShmem:")
}

// kilobytes reads the value of a line "name: n kB", in bytes; 0 where there is none.
func kilobytes(status []byte, name string) int64 {
	_, rest, ok := bytes.Cut(status, []byte(name))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(line), []byte(" kB"))), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

func (u *usage) close() {
	if u.status != nil {
		u.status.Close()
	}
}

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
	statm  *os.File
}

func newUsage(pid int) *usage {
	// The clock of another process's time: MAKE_PROCESS_CPUCLOCK of linux/posix-timers.h.
	u := &usage{clock: int32(^pid<<3 | 2)}
	u.before = u.now()
	u.statm, _ = os.Open(fmt.Sprintf("/proc/%d/statm", pid)) // gone: then so is its memory
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

// memory is what the child holds now, bytes.
func (u *usage) memory() int64 {
	if u.statm == nil {
		return 0
	}
	var buf [128]byte
	n, _ := u.statm.ReadAt(buf[:], 0)
	fields := bytes.Fields(buf[:n]) // total, resident, shared, …: pages
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

func (u *usage) close() {
	if u.statm != nil {
		u.statm.Close()
	}
}

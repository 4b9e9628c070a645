package isolate

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dataSlack is what a child may map beyond what it may hold, bytes: stacks of threads (8 MB
// each of address space), Go's heap, and libraries' own.
const dataSlack = 512 << 20

// harden is the first thing that a child does to itself: nobody may read its memory, and
// there will be no core with somebody's picture in it.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid debugging: %w", err)
	}
	return setLimits()
}

// limitMemory makes the kernel refuse to map more than n bytes and some. It is the backstop
// of the parent's own measuring, for what comes faster than that looks.
func limitMemory(n int64) error {
	if raceDetector {
		return nil // it maps terabytes
	}
	limit := uint64(n) + dataSlack
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}

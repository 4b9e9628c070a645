//go:build unix

package isolate

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxFiles is how many files a child may have open: its four, the poller's, and fonts.
const maxFiles = 64

// setLimits sets the limits that are the same for all children. The number of processes is
// not among them: it counts those of the user, threads and other programs included.
func setLimits() error {
	for _, l := range []struct {
		name     string
		resource int
		max      uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"file sizes", unix.RLIMIT_FSIZE, 0},
		{"open files", unix.RLIMIT_NOFILE, maxFiles},
	} {
		var r unix.Rlimit
		set(&r.Cur, l.max)
		set(&r.Max, l.max)
		if err := unix.Setrlimit(l.resource, &r); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
	}
	return nil
}

// set is an assignment: the numbers are signed on some systems.
func set[N int64 | uint64](to *N, n uint64) { *to = N(n) }

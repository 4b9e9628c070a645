package isolate

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dataSlack is what a child may map beyond its images, bytes: stacks of threads (8 MB
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

// limitMemory makes the kernel refuse memory beyond what is mapped now, and n bytes. It is
// the backstop of the parent's own measuring, for what comes faster than that looks.
func limitMemory(n int64) error {
	if raceDetector {
		return nil // it maps terabytes
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		// Under Landlock a child does not see /proc: at this point it has mapped little.
		status = []byte("VmData: 0 kB")
	}
	limit := uint64(n) + dataSlack + mappedData(string(status))
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}

// mappedData reads VmData, in bytes.
func mappedData(status string) uint64 {
	_, rest, _ := strings.Cut(status, "VmData:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

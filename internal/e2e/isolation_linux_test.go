package e2e

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// imagingProcesses are the app tier's children.
func imagingProcesses(t *testing.T, parent int) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		pid, _ := strconv.Atoi(e.Name())
		_, rest, ok := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); err == nil && pid > 0 && ok && len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestImagingProcessesCrash: while images go through, the app tier's children are ended by
// the signals of crashes. The tier lives, every image is done, and nothing is left of the
// children when the tier has stopped.
func TestImagingProcessesCrash(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	p := s.startUp("--workers", "2")
	photo := testimages.Photo()
	images := 0
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGKILL, syscall.SIGABRT} {
		for range 5 {
			if err := s.put(fmt.Sprintf("crash/%02d.jpg", images), photo, nil); err != nil {
				t.Fatal(err)
			}
			images++
		}
		// One that ended idle is replaced when the next image comes.
		eventually(t, "an imaging process to kill", func() error {
			pids := imagingProcesses(t, p.cmd.Process.Pid)
			if len(pids) == 0 {
				return errors.New("none is there")
			}
			return syscall.Kill(pids[0], sig)
		})
	}
	for i := range images {
		id := store.IDForKey(fmt.Sprintf("crash/%02d.jpg", i))
		if m := s.finished(id); m.Status != recipe.Done {
			t.Errorf("image %d: %s, %+v", i, m.Status, m.Error)
		}
	}
	pids := imagingProcesses(t, p.cmd.Process.Pid)
	if len(pids) == 0 || len(pids) > 2 {
		t.Errorf("imaging processes %v, want 2 at most", pids)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("imaging process %d outlives the tier", pid)
		}
	}
}

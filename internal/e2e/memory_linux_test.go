package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/store"
)

// TestOutOfMemory limits the app tier and its imaging processes, together, to less than a
// heavy image needs. The kernel ends who holds most, which must be the image's own process:
// the tier lives, the image ends as failed, the others do not notice.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint("--log-level", "warn")
	s.provision()
	announced := watchCompletions(t, s)
	app := s.startApp("--workers", "2")
	used := resident(app.cmd.Process.Pid)
	for _, pid := range imagingProcesses(t, app.cmd.Process.Pid) {
		used += resident(pid)
	}
	group := memoryGroup(t, used+heavyMemory)
	group.add(t, app.cmd.Process.Pid)
	for _, pid := range imagingProcesses(t, app.cmd.Process.Pid) {
		group.add(t, pid)
	}
	l := newLedger()
	<-s.feed(t, l, 5)
	if err := s.put("poison/0.png", heavy(), nil); err != nil {
		t.Fatal(err)
	}
	poison := store.IDForKey("poison/0.png")
	<-s.feed(t, l, 15)
	m := s.finished(poison)
	if m.Error == nil || m.Error.Code != "image_crash" && m.Error.Code != "image_memory" {
		t.Errorf("the image that does not fit: %s %+v", m.Status, m.Error)
	} else {
		l.add(poison, promise{code: m.Error.Code})
	}
	check(t, s, l, announced, expectations{attempts: 1})
	if !app.alive() {
		t.Errorf("the app tier has ended: %s", tailOf(app.out.String(), 20))
	}
}

// cgroup is a control group that bounds memory.
type cgroup struct{ dir string }

// memoryGroup makes a control group whose processes may hold so many bytes together, or
// skips the test, with the reason, where none can be made.
func memoryGroup(t *testing.T, limit int64) cgroup {
	t.Helper()
	for _, at := range []struct{ parent, file string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir := filepath.Join(at.parent, fmt.Sprintf("tintype-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() {
			// A group goes once its processes have ended, which the system's clean-up, run before, sees to.
			eventually(t, "the control group is empty", func() error { return os.Remove(dir) })
		})
		if err := os.WriteFile(filepath.Join(dir, at.file), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
			continue
		}
		return cgroup{dir}
	}
	t.Skip("no control group that limits memory can be made here (root can)")
	return cgroup{}
}

func (c cgroup) add(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil && !strings.Contains(err.Error(), "no such process") {
		t.Skipf("a process cannot be put into a control group here: %v", err)
	}
}

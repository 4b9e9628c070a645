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
	group := newGroup(t) // before the process, so that it goes after it
	app := s.startApp("--workers", "2")
	group.add(t, app.cmd.Process.Pid)
	for _, pid := range imagingProcesses(t, app.cmd.Process.Pid) {
		group.add(t, pid)
	}
	// What was held before is not all counted: the limit is on what comes.
	group.limit(t, group.usage(t)+heavyMemory/2)
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

// cgroup is a control group that can bound memory.
type cgroup struct{ dir, max, current string }

// newGroup makes a control group, or skips the test, with the reason, where none can be made.
func newGroup(t *testing.T) cgroup {
	t.Helper()
	for _, at := range []struct{ parent, max, current string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"}, {"/sys/fs/cgroup", "memory.max", "memory.current"}} {
		dir := filepath.Join(at.parent, fmt.Sprintf("tintype-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { eventually(t, "the control group is empty", func() error { return os.Remove(dir) }) })
		if _, err := os.Stat(filepath.Join(dir, at.max)); err == nil {
			return cgroup{dir, at.max, at.current}
		}
	}
	t.Skip("no control group that limits memory can be made here (root can)")
	return cgroup{}
}

// limit bounds what the group's processes hold together, in bytes.
func (c cgroup) limit(t *testing.T, n int64) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, c.max), []byte(strconv.FormatInt(n, 10)), 0o644); err != nil {
		t.Skipf("memory cannot be limited here: %v", err)
	}
}

// usage is what they hold, in bytes, as far as it came while they were in the group.
func (c cgroup) usage(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, c.current))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c cgroup) add(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil && !strings.Contains(err.Error(), "no such process") {
		t.Skipf("a process cannot be put into a control group here: %v", err)
	}
}

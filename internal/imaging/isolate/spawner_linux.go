package isolate

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner starts children from one thread of its own. Landlock holds for a thread and
// what it starts, so children are confined before their first instruction, and this
// process is not. The thread lives until all children have ended, because the kernel
// kills them with it (PDEATHSIG looks at the thread, not at the process).
type spawner struct {
	starts chan startRequest
	ended  chan struct{}
	status Status // what holds for children by birth
}

type startRequest struct {
	attr *os.ProcAttr
	argv []string
	done chan<- startResult
}

type startResult struct {
	proc *os.Process
	err  error
}

func newSpawner() *spawner {
	s := &spawner{starts: make(chan startRequest), ended: make(chan struct{})}
	ready := make(chan struct{})
	go s.onThreadOfItsOwn(ready)
	<-ready
	return s
}

// onThreadOfItsOwn sees to it that the thread is not the process's first one, which
// cannot end and which /proc shows as the process.
func (s *spawner) onThreadOfItsOwn(ready chan struct{}) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		s.run(ready)
		return // still locked: the thread ends here
	}
	next := make(chan struct{})
	go func() { // while the first thread is held here, this gets another
		close(next)
		runtime.LockOSThread()
		s.run(ready)
	}()
	<-next
	<-ready
	runtime.UnlockOSThread()
}

func (s *spawner) run(ready chan struct{}) {
	defer close(s.ended)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // this thread's, and so that of what it starts
	s.confine()
	close(ready)
	for r := range s.starts {
		proc, err := os.StartProcess(executable(), r.argv, r.attr)
		r.done <- startResult{proc, err}
	}
}

// confine does to the thread what children are to inherit.
func (s *spawner) confine() {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		s.status.lack("no_new_privs: %v", err)
		return // without it the kernel refuses Landlock
	}
	s.status.NoNewPrivs = true
	if err := dropCapabilities(); err != nil {
		s.status.lack("capabilities are kept: %v", err)
	}
	abi := kernelLandlock()
	if abi == 0 {
		s.status.lack(noLandlock)
		return
	}
	if err := confineThread(abi); err != nil {
		s.status.lack("%v", err)
		return
	}
	s.status.Landlock = abi
}

// dropCapabilities gives up what root may. Children run as the same user, who without
// capabilities is a user like any other that owns root's files.
func dropCapabilities() error {
	for c := range uintptr(64) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
			break // past the last; or there is nothing that could be given up
		}
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&h, &none[0])
}

// executable is this very program, even where its file has been replaced since.
func executable() string {
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// start starts a child with the given files as 0, 1, 2, 3.
func (s *spawner) start(env []string, files []*os.File) (*os.Process, error) {
	done := make(chan startResult, 1)
	s.starts <- startRequest{argv: []string{programName, marker}, done: done, attr: &os.ProcAttr{
		Dir: "/", Env: env, Files: files,
		// Of its own group, so that Ctrl-C in a terminal reaches the parent alone, which then drains.
		// Not of its own session: Linux may share the cores among sessions first (sched(7), autogroup),
		// and each child would weigh as much as all else together.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}}
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("start imaging process: %w", r.err)
	}
	// When memory runs out, the kernel is to take a child and not its parent.
	_ = os.WriteFile("/proc/"+strconv.Itoa(r.proc.Pid)+"/oom_score_adj", []byte("500"), 0)
	return r.proc, nil
}

// close ends the thread. No child may be left.
func (s *spawner) close() {
	close(s.starts)
	<-s.ended
}

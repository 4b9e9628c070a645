//go:build unix && !linux

package isolate

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// spawner starts children. Nothing is inherited here; see spawner_linux.go.
type spawner struct{ status Status }

func newSpawner() *spawner {
	return &spawner{status: Confinement()}
}

// Confinement is what would confine imaging processes on this machine.
func Confinement() (s Status) {
	s.lack("%s confines neither the files nor the system calls of an imaging process", runtime.GOOS)
	return s
}

func (s *spawner) start(env []string, files []*os.File) (*os.Process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start imaging process: %w", err)
	}
	proc, err := os.StartProcess(path, []string{programName, marker}, &os.ProcAttr{
		Dir: "/", Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start imaging process: %w", err)
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, proc.Pid, niceness)
	return proc, nil
}

func (s *spawner) close() {}

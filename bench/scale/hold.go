package main

import (
	"os/exec"
	"syscall"
)

// hold stops processes where they are, release lets them go on.
func hold(apps []*exec.Cmd) error    { return signalAll(apps, syscall.SIGSTOP) }
func release(apps []*exec.Cmd) error { return signalAll(apps, syscall.SIGCONT) }

func signalAll(apps []*exec.Cmd, sig syscall.Signal) error {
	for _, a := range apps {
		if err := a.Process.Signal(sig); err != nil {
			return err
		}
	}
	return nil
}

package isolate

import "golang.org/x/sys/unix"

// Confinement is what would confine imaging processes on this machine, asked of the
// kernel without starting any.
func Confinement() Status {
	s := Status{NoNewPrivs: true, Memory: true}
	if s.Landlock = landlockABI(); s.Landlock == 0 {
		s.lack(noLandlock)
	}
	// A filter can be put on where this action is known.
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	if err := seccompKnows(action); err != nil {
		s.lack("no filter of system calls: %v", err)
	} else {
		s.Seccomp = true
	}
	return s
}

const noLandlock = "the kernel has no Landlock (Linux 5.13 or later, with landlock among its LSMs): no file can be opened instead, and text cannot be drawn"

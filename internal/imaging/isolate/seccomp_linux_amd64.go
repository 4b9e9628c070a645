package isolate

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// allowedHere are this architecture's older forms of calls in allowed. The x32 numbers
// (with bit 30) equal none of them.
var allowedHere = []uint32{unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_WAIT, unix.SYS_TIME, unix.SYS_DUP2}

var lookupsHere = []uint32{unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_READLINK, unix.SYS_ACCESS}

func openHere(writing uint32) []unix.SockFilter {
	return when(unix.SYS_OPEN, stmt(load, dataArgs+8), jump(ifAnyBit, writing, 0, 1), stmt(ret, errno(uintptr(unix.EPERM))), stmt(ret, unix.SECCOMP_RET_ALLOW))
}

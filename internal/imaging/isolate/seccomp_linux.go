//go:build linux && (amd64 || arm64)

package isolate

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allowed are the system calls that computing a picture needs, on every architecture:
// memory, threads, time, and reading and writing what is open. All others fail with
// EPERM, which libraries survive; there is no socket, no program, no file to write and no
// other process among them.
var allowed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_LSEEK, unix.SYS_FSTAT,
	unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_EVENTFD2,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRUSAGE, unix.SYS_GETCWD, unix.SYS_GETRLIMIT,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// lookups are those that find and describe files. They are allowed where Landlock says
// which files there are.
var lookups = []uint32{
	unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETDENTS64,
	unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FADVISE64,
}

// Fields of struct seccomp_data, which the filter reads. Both architectures are
// little-endian: the low half of an argument comes first.
const (
	dataNR   = 0
	dataArch = 4
	dataArgs = 16
)

func errno(e uintptr) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(code uint16, k uint32, jt, jf uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf}
}

const (
	load     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	ret      = unix.BPF_RET | unix.BPF_K
	ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ifMore   = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	ifAnyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
)

// when gives rules for one call: the body runs where the number is nr, and must return.
func when(nr uint32, body ...unix.SockFilter) []unix.SockFilter {
	return append([]unix.SockFilter{jump(ifEqual, nr, 0, uint8(len(body)))}, body...)
}

// filter is the program that the kernel runs before each system call of a child.
func filter(pid int, readFiles bool) []unix.SockFilter {
	yes, no := stmt(ret, unix.SECCOMP_RET_ALLOW), stmt(ret, errno(uintptr(unix.EPERM)))
	arg := func(i uint32) unix.SockFilter { return stmt(load, dataArgs+8*i) }
	high := func(i uint32) unix.SockFilter { return stmt(load, dataArgs+8*i+4) }

	p := []unix.SockFilter{
		stmt(load, dataArch),
		jump(ifEqual, auditArch, 1, 0),
		stmt(ret, unix.SECCOMP_RET_KILL_PROCESS), // numbers mean other calls there
		stmt(load, dataNR),
	}
	calls := append(append([]uint32{}, allowed...), allowedHere...)
	if readFiles {
		calls = append(append(calls, lookups...), lookupsHere...)
	}
	for _, nr := range calls {
		p = append(p, when(nr, yes)...)
	}
	if readFiles {
		const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND | (unix.O_TMPFILE &^ unix.O_DIRECTORY)
		p = append(p, when(unix.SYS_OPENAT, arg(2), jump(ifAnyBit, writing, 0, 1), no, yes)...)
		p = append(p, openHere(writing)...)
	}
	// Threads, never processes. clone3 keeps its flags in memory, where no filter can look:
	// it does not exist, and glibc falls back to clone.
	p = append(p, when(unix.SYS_CLONE, arg(0), jump(ifAnyBit, unix.CLONE_THREAD, 1, 0), no, yes)...)
	p = append(p, when(unix.SYS_CLONE3, stmt(ret, errno(uintptr(unix.ENOSYS))))...)
	// Signals to itself: Go's scheduler and abort().
	p = append(p, when(unix.SYS_TGKILL, arg(0), jump(ifEqual, uint32(pid), 1, 0), no, yes)...)
	// Flags of descriptors; not their owner, to whom the kernel would send signals.
	p = append(p, when(unix.SYS_FCNTL, arg(1), jump(ifMore, unix.F_SETFL, 0, 1), jump(ifEqual, unix.F_DUPFD_CLOEXEC, 0, 1), yes, no)...)
	// Limits may be read (the third argument, the new limit, is no pointer), threads named.
	p = append(p, when(unix.SYS_PRLIMIT64, arg(2), jump(ifEqual, 0, 1, 0), no, high(2), jump(ifEqual, 0, 1, 0), no, yes)...)
	p = append(p, when(unix.SYS_PRCTL, arg(0), jump(ifEqual, unix.PR_SET_NAME, 1, 0), no, yes)...)
	return append(p, no)
}

// filterCalls puts the filter on all threads of this process, for good.
func filterCalls(readFiles bool) error {
	p := filter(unix.Getpid(), readFiles)
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	thread, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(p)
	if e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	if thread != 0 {
		return fmt.Errorf("seccomp: thread %d cannot be brought under the filter", thread)
	}
	return nil
}

// seccompKnows says whether the kernel can filter and knows an action.
func seccompKnows(action uint32) error {
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if e != 0 {
		return e
	}
	return nil
}

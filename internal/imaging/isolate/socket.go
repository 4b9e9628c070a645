//go:build unix

package isolate

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketPair makes two connected stream sockets: the parent's, which the runtime's poller
// takes care of, and the child's, which blocks. A socket and not shared memory: copying
// costs a hundredth of the work, and what is copied cannot change while it is checked.
func socketPair() (pair [2]*os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return pair, fmt.Errorf("make a socket pair: %w", err)
	}
	for _, fd := range fds {
		// More at once, fewer switches between the two; the kernel cuts it to what it allows.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return pair, fmt.Errorf("make a socket pair: %w", err)
	}
	return [2]*os.File{os.NewFile(uintptr(fds[0]), "imaging process"), os.NewFile(uintptr(fds[1]), "imaging process's end")}, nil
}

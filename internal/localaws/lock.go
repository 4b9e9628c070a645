package localaws

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrDataInUse means that another process holds the data directory.
var ErrDataInUse = errors.New("another process is using it")

// openData makes the data directory if need be, proves that it can be written, and
// takes its lock: two endpoints on one directory would hand out each message twice.
// The lock goes with the process, however that ends.
func openData(dir string) (abs string, lock *os.File, err error) {
	abs, err = filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", nil, fmt.Errorf("data directory %s cannot be made: %w", abs, cause(err))
	}
	lock, err = os.OpenFile(filepath.Join(abs, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("data directory %s cannot be written: %w", abs, cause(err))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrDataInUse
		}
		return "", nil, fmt.Errorf("data directory %s: %w", abs, err)
	}
	return abs, lock, nil
}

// cause is the system's word on err without the path, which the caller has said.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

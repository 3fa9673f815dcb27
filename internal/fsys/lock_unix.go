//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package fsys

import (
	"errors"
	"os"
	"syscall"
)

func openLock(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}

// takeLock uses flock, not fcntl: an fcntl lock belongs to the process, so it
// keeps out no second user within it and is lost when any descriptor is closed.
func takeLock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locking error
	err = raw.Control(func(fd uintptr) {
		for {
			locking = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
			if !errors.Is(locking, syscall.EINTR) {
				return
			}
		}
	})
	if errors.Is(locking, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return errors.Join(err, locking)
}

// release does not remove the file: another run may have opened it by now, and
// would then hold the lock of a file that a third does not find.
func release(f *os.File) error { return f.Close() }

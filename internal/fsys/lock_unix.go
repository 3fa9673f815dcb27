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
	err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}

func flock(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locking error
	err = raw.Control(func(fd uintptr) {
		for {
			locking = syscall.Flock(int(fd), how)
			if !errors.Is(locking, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, locking)
}

// release does not remove the file: another run may have opened it by now, and
// would then hold the lock of a file that a third does not find. It does not leave it
// to Close to unlock: a process that is being started elsewhere in this one has the
// descriptor too until it executes its program.
func release(f *os.File) error { return errors.Join(flock(f, syscall.LOCK_UN), f.Close()) }

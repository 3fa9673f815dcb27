//go:build unix

package sink

import (
	"errors"
	"os"
	"syscall"
)

// duplicate opens what f is open on a second time, to be closed with end.
func duplicate(f *os.File) (second *os.File, end func() error, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	fd := -1
	var dup error
	err = raw.Control(func(old uintptr) {
		syscall.ForkLock.RLock() // no child may get it
		defer syscall.ForkLock.RUnlock()
		if fd, dup = syscall.Dup(int(old)); dup == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err = errors.Join(err, dup); err != nil {
		return nil, nil, err
	}
	second = os.NewFile(uintptr(fd), f.Name())
	return second, second.Close, nil
}

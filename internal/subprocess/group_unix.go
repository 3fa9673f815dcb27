//go:build unix

package subprocess

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// killGroup kills a process and all that are in its group. A group that is gone is
// no error.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// terminateGroup asks them to end.
func terminateGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// readable reports whether there is something to read in a pipe, or its end.
func readable(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return err == nil && n > 0
}

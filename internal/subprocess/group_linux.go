package subprocess

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// inGroup makes a process the first of a group of its own, which dies with the
// thread that started it, and so with this process, however that ends.
func inGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until a process has ended and reports whether its number is still
// its own.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

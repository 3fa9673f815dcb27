package childtest

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Zombie reports whether a child of this process has ended and was not waited for, on a
// system that tells.
func Zombie(tb testing.TB) bool {
	tb.Helper()
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case err == nil:
			return info.Signo != 0
		case errors.Is(err, unix.ECHILD):
			return false
		case !errors.Is(err, unix.EINTR):
			tb.Fatal(err)
		}
	}
}

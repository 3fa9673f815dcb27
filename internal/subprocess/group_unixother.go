//go:build unix && !linux

package subprocess

import "syscall"

// inGroup makes a process the first of a group of its own.
func inGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit does nothing: waiting for the end gives the process's number up.
func awaitExit(int) bool { return false }

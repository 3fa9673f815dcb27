//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// leave lets a command start in a session of its own.
func leave(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

//go:build !unix

package subprocess

import (
	"os"
	"syscall"
)

// inGroup does nothing: there are no groups here.
func inGroup() *syscall.SysProcAttr { return nil }

// awaitExit does nothing: waiting for the end gives the process's number up.
func awaitExit(int) bool { return false }

// killGroup kills the process, not those that it started.
func killGroup(p *os.Process) { _ = p.Kill() }

// terminateGroup kills the process, which cannot be asked to end.
func terminateGroup(p *os.Process) { _ = p.Kill() }

// readable cannot tell; the reader will.
func readable(*os.File) bool { return false }

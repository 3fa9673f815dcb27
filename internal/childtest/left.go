package childtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Alive is the processes of the command, and those that they started, on a system
// that tells.
func (c Child) Alive(tb testing.TB) (pids []int) {
	tb.Helper()
	return alive(tb, c.mark)
}

// Alive is that of Child for all that this process started in its time.
func Alive(tb testing.TB) (pids []int) {
	tb.Helper()
	return alive(tb, fmt.Sprintf("%d.", os.Getpid()))
}

func alive(tb testing.TB, mark string) (pids []int) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		args := bytes.Split(line, []byte{0})
		if len(args) < 4 || string(args[1]) != flag {
			continue
		}
		of := string(args[2])
		if of != mark && (mark[len(mark)-1] != '.' || !bytes.HasPrefix(args[2], []byte(mark))) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			tb.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// Zombies is the children of this process that have ended and were not waited for.
func Zombies(tb testing.TB) (pids []int) {
	tb.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var state string
		var pid, parent int
		if _, err := fmt.Sscan(string(b[:bytes.IndexByte(b, ' ')]), &pid); err != nil {
			tb.Fatal(err)
		}
		if _, err := fmt.Sscan(string(b[bytes.LastIndexByte(b, ')')+1:]), &state, &parent); err != nil {
			tb.Fatal(err)
		}
		if parent == os.Getpid() && state == "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Files is how many files this process has open, on a system that tells.
func Files(tb testing.TB) int {
	tb.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(open)
}

// NothingLeft checks, at the end of the test, that no process, zombie or open file is
// there that was not there before.
func NothingLeft(tb testing.TB) {
	tb.Helper()
	before := Files(tb)
	tb.Cleanup(func() {
		if pids := Alive(tb); len(pids) > 0 {
			tb.Errorf("processes are left: %v", pids)
		}
		if pids := Zombies(tb); len(pids) > 0 {
			tb.Errorf("processes were not waited for: %v", pids)
		}
		if n := Files(tb); n > before {
			tb.Errorf("%d files are open, %d before", n, before)
		}
	})
}

package childtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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
		if len(args) < 3 || !strings.HasPrefix(filepath.Base(string(args[0])), name) {
			continue
		}
		of := string(args[1])
		if of != mark && (mark[len(mark)-1] != '.' || !strings.HasPrefix(of, mark)) {
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
		if Zombie(tb) {
			tb.Error("a process was not waited for")
		}
		if n := Files(tb); n > before {
			tb.Errorf("%d files are open, %d before", n, before)
		}
	})
}

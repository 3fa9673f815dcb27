//go:build linux

package killmatrix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// changing are the system calls that change files. A question mark stands before
// those that some machines do not have.
const changing = "write,pwrite64,fsync,fdatasync,ftruncate,?rename,renameat,?renameat2,?unlink,unlinkat"

// tracer is the command that runs another and injects faults into its system calls.
func tracer(t *testing.T, args ...string) []string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "strace is not installed: %v", err)
		t.Skip("strace is not installed")
	}
	return append([]string{strace, "-f", "-qq"}, args...)
}

// A small job is killed at each system call that changes a file, SQLite's too. The
// tracer counts those of each thread by themselves, so that not each of them is met
// by each number, and which it is depends on the scheduler: the end is where some runs
// in a row were not killed.
func TestKilledAtEverySystemCall(t *testing.T) {
	t.Parallel()
	const n = 26
	for _, kind := range []string{"whole", "append", "append-gzip", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			chance := seeded(t)
			step, enough, least := 1, 10, 10
			if !long() {
				step, enough, least = 15, 2, 1 // each thread has a first call, perhaps no eighth
			}
			kills, ended := 0, 0
			for at := 1; ended < enough; at += 1 + chance.IntN(step) {
				j := begin(t, kind, n)
				j.Unordered = chance.IntN(2) == 0
				done, _, _ := doAs(t, j, how{under: tracer(t, "-o", os.DevNull, "-e", "trace="+changing,
					"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", changing, at))})
				if ended++; !done {
					kills, ended = kills+1, 0
				}
				for again := 0; !done; again++ {
					require.Less(t, again, 5, "killed at system call %d", at)
					j.Chunk, j.Workers = 1+chance.IntN(9), 1+chance.IntN(4)
					done, _ = do(t, j, 0)
				}
				check(t, j, n)
			}
			assert.GreaterOrEqual(t, kills, least, "it was hardly ever killed")
		})
	}
}

// A call that fails once fails the run, with an error that says what and where, and
// the next one makes it good. After a sync that failed the file is not written or
// synced by those who have it open: what they wrote may be gone, and a second sync
// would not tell.
func TestSystemCallsFail(t *testing.T) {
	const n = 26
	for name, c := range map[string]struct {
		kind, calls, path string
		when              int
		err               syscall.Errno
	}{
		"reading the input":            {"append", "read,pread64", "in.ndjson", 3, syscall.EIO},
		"no space for the output":      {"append", "write", "out.ndjson", 3, syscall.ENOSPC},
		"no space for a whole one":     {"whole", "write", ".out.ndjson.unfinished", 3, syscall.ENOSPC},
		"no space for the checkpoint":  {"append", "write", "job.checkpoint.tmp", 1, syscall.ENOSPC},
		"syncing the output":           {"append", "fsync", "out.ndjson", 3, syscall.EIO},
		"syncing the output at once":   {"append", "fsync", "out.ndjson", 1, syscall.EIO},
		"syncing a compressed one":     {"append-gzip", "fsync", "out.ndjson.gz", 3, syscall.EIO},
		"syncing a whole one":          {"whole", "fsync", ".out.ndjson.unfinished", 3, syscall.EIO},
		"syncing the checkpoint":       {"whole", "fsync", "job.checkpoint.tmp", 3, syscall.EIO},
		"syncing the folder":           {"whole", "fsync", "", 3, syscall.EIO},
		"renaming the checkpoint":      {"append", "?rename,renameat,?renameat2", "job.checkpoint.tmp", 1, syscall.EIO},
		"renaming a whole one":         {"whole", "?rename,renameat,?renameat2", ".out.ndjson.unfinished", 1, syscall.EIO},
		"cutting back what is too new": {"append", "ftruncate", "out.ndjson", 1, syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			var j job
			var done, found bool
			var failure, behind string
			for try := 0; !found; try++ { // no thread may have come so far
				require.Less(t, try, 20, "nothing failed")
				j = begin(t, c.kind, n)
				if c.calls == "ftruncate" { // a run that goes on does that
					killed := j
					killed.KillItem = 8
					done, _ := do(t, killed, 0)
					require.False(t, done)
				}
				path, log := filepath.Join(j.Dir, c.path), filepath.Join(t.TempDir(), "log")
				done, _, failure = doAs(t, j, how{fails: true, under: tracer(t, "-o", log, "-P", path, "-e", "trace=read,pread64,openat,"+changing,
					"-e", fmt.Sprintf("inject=%s:error=%d:when=%d", c.calls, int(c.err), c.when))})
				text, err := os.ReadFile(log)
				require.NoError(t, err)
				_, behind, found = strings.Cut(string(text), "(INJECTED)")
			}
			require.False(t, done)
			require.Contains(t, failure, c.err.Error())
			require.Contains(t, failure, j.Dir)
			require.Contains(t, failure, strings.TrimSuffix(strings.TrimPrefix(c.path, "."), ".unfinished"), "the name that the user knows")
			if c.calls == "fsync" && c.path != "" {
				behind, _, _ = strings.Cut(behind, "openat(") // who opens it anew has another
				assert.NotRegexp(t, `(write|pwrite64|fsync|fdatasync)\(`, behind)
			}
			done, _ = do(t, j, 0)
			require.True(t, done)
			check(t, j, n)
		})
	}
}

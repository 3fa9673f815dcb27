package source_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// withoutRights has do meet the permissions of files, which do not hold for root.
func withoutRights(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	runtime.LockOSThread() // it is the thread that has rights
	defer runtime.UnlockOSThread()
	_, err := unix.SetfsuidRetUid(nobody)
	require.NoError(t, err)
	defer func() {
		_, err := unix.SetfsuidRetUid(0)
		require.NoError(t, err)
	}()
	do()
}

// A file that must not be read is waited for while it is being made. Rights that the
// one before loses do not matter.
func TestFollowPermissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		folder := filepath.Dir(l.path)
		require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
		l.add("a\n")
		require.NoError(t, os.Chmod(l.path, 0o644))
		refused := false
		writer := func() {
			time.Sleep(time.Second)
			require.NoError(t, os.Chmod(l.path, 0))
			l.move("", ".1")
			l.add("b\n")
			require.NoError(t, os.Chmod(l.path, 0))
			time.Sleep(time.Second / 2)
			require.NoError(t, os.Chmod(l.path, 0o644))
		}
		time.AfterFunc(1200*time.Millisecond, func() {
			withoutRights(t, func() {
				_, err := os.Open(l.path)
				refused = os.IsPermission(err)
			})
		})
		var got []string
		withoutRights(t, func() { got = lines(l.watch(writer)) })
		require.Equal(t, []string{"a", "b"}, got)
		require.True(t, refused, "it could be read all the time")
	})
}

package fsys

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
)

// errHeld is what takeLock returns for a lock that somebody else has.
var errHeld = errors.New("held")

// Lock implements FS. On Unix and Windows the system drops the lock when the
// process ends, however it ends. Elsewhere the file's existence is the lock: a
// process that is killed leaves it, and it must be removed by hand.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := openLock(name)
	if err == nil {
		if err = takeLock(f); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if errors.Is(err, errHeld) {
		return nil, &LockedError{Name: name, PID: holder(name)}
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: pathless(err)}
	}
	// The number is for the error of who comes next, which does without if need be.
	if err := write(f, strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return nil, errors.Join(err, release(f))
	}
	return lock{f}, nil
}

// lock is a lock that is held.
type lock struct{ f *os.File }

// Close lets go of it.
func (l lock) Close() error { return release(l.f) }

func write(f *os.File, s string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// holder is the process that holds a lock, 0 if the file does not say.
func holder(name string) int {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// pathless is an error of package os without its path.
func pathless(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

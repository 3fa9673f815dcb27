//go:build !darwin && !dragonfly && !freebsd && !illumos && !linux && !netbsd && !openbsd && !windows

package fsys

import (
	"errors"
	"io/fs"
	"os"
)

func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errHeld
	}
	return f, err
}

func takeLock(*os.File) error { return nil }

func release(f *os.File) error { return errors.Join(os.Remove(f.Name()), f.Close()) }

package fsys

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// ErrNotRegular says that something is there that is not a file.
var ErrNotRegular = errors.New("not a regular file: a run with a checkpoint cannot write it, and nothing can be appended to it")

// Target is where a path leads to, and what is there: a file's mode and size, or those
// that a new one gets.
func Target(files FS, path string) (target string, mode fs.FileMode, size int64, err error) {
	info, err := files.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, 0o644, 0, nil
	case err != nil:
		return "", 0, 0, err
	case info.IsDir():
		return "", 0, 0, syscall.EISDIR
	case !info.Mode().IsRegular():
		return "", 0, 0, ErrNotRegular
	}
	if _, onDisk := files.(OS); onDisk {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", 0, 0, err
		}
	}
	return path, info.Mode().Perm(), info.Size(), nil
}

// Package atomicfile replaces a file as a whole: what is written goes to a
// temporary file in the same folder, which takes the old file's place when it is
// committed. Until then, and if anything fails, the old file stays as it was.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// File is a file that is being replaced.
type File struct {
	f      *os.File
	target string // the path to replace, symbolic links resolved; "" for a direct one
	fault  Fault
	done   bool
}

// Fault is asked, if it is not nil, before each operation on a file: what it
// returns is what the operation fails with. Tests make disks full and broken with
// it. A close that it fails happens all the same.
type Fault func(op Op, name string) error

// Op is an operation on a file.
type Op string

// The operations that can be made to fail.
const (
	Write      Op = "write"
	Sync       Op = "sync"
	Close      Op = "close"
	Rename     Op = "rename"
	SyncFolder Op = "sync the folder"
)

// before asks the fault about an operation, and otherwise does it. A failed
// operation is named, without the path, which may be that of the temporary file.
func (f Fault) before(op Op, name string, do func() error) error {
	if f != nil {
		if err := f(op, name); err != nil {
			if op == Close {
				err = errors.Join(err, do())
			}
			return pathless(string(op), err)
		}
	}
	return pathless(string(op), do())
}

// Create begins to replace the file at path. An existing file keeps its mode, a
// symbolic link stays one. What is not a regular file, such as a device or a
// named pipe, is written to directly. Fault is nil but in tests.
func Create(path string, fault Fault) (*File, error) {
	target, mode, exists, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if exists && !mode.IsRegular() {
		f, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return nil, pathless("open", err)
		}
		return &File{f: f, fault: fault}, nil
	}
	f, err := temporary(target, mode.Perm())
	if err != nil {
		return nil, err
	}
	if exists {
		// The umask does not apply to a mode that is kept.
		if err := f.Chmod(mode.Perm()); err != nil {
			return nil, errors.Join(pathless("set the mode", err), discard(f))
		}
	}
	return &File{f: f, target: target, fault: fault}, nil
}

// resolve finds out what is at path, and where that is.
func resolve(path string) (target string, mode fs.FileMode, exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return "", 0, false, syscall.EISDIR
	case err == nil:
		target, err = filepath.EvalSymlinks(path)
		if err != nil {
			return "", 0, false, pathless("follow the link", err)
		}
		return target, info.Mode(), true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", 0, false, pathless("look", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return "", 0, false, fmt.Errorf("a link to nothing: %w", fs.ErrNotExist)
	}
	return path, 0o644, false, nil
}

// temporary creates a new file beside target.
func temporary(target string, mode fs.FileMode) (*os.File, error) {
	dir, base := filepath.Split(target)
	const maxBase = 100 // leaves room for the rest under any system's limit for names
	if len(base) > maxBase {
		base = base[:maxBase]
	}
	for {
		name := fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()) //nolint:gosec // need not be secret: a name that is taken is refused
		name = filepath.Join(dir, name)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, fs.ErrExist):
			continue // somebody else's; take another name
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("folder %s: %w", filepath.Dir(target), errors.Unwrap(err))
		}
		return nil, pathless("create", err)
	}
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (n int, err error) {
	err = f.fault.before(Write, f.f.Name(), func() (err error) {
		n, err = f.f.Write(p)
		return err
	})
	return n, err
}

// Commit makes what was written durable and puts it in the old file's place. If
// it fails, the old file is as it was and the temporary one is gone, unless all
// that failed is to make the new name durable.
func (f *File) Commit() error {
	if f.done {
		return fs.ErrClosed
	}
	f.done = true
	name := f.f.Name()
	if f.target == "" {
		err := f.fault.before(Sync, name, func() error { return syncDirect(f.f) })
		return errors.Join(err, f.fault.before(Close, name, f.f.Close))
	}
	err := f.fault.before(Sync, name, f.f.Sync)
	if err == nil {
		err = f.fault.before(Close, name, f.f.Close)
	}
	if err == nil {
		err = f.fault.before(Rename, name, func() error { return os.Rename(name, f.target) })
	}
	if err != nil {
		return errors.Join(err, discard(f.f))
	}
	dir := filepath.Dir(f.target)
	return f.fault.before(SyncFolder, dir, func() error { return syncFolder(dir) })
}

// Abort gives the new content up and leaves the old file as it was. After a
// Commit it does nothing.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	if f.target == "" {
		return pathless("close", f.f.Close())
	}
	return discard(f.f)
}

// discard closes and removes a temporary file. It may be closed already, and its
// folder may be gone.
func discard(f *os.File) error {
	closing := f.Close()
	if errors.Is(closing, fs.ErrClosed) {
		closing = nil
	}
	removing := os.Remove(f.Name())
	if errors.Is(removing, fs.ErrNotExist) {
		removing = nil
	}
	return errors.Join(pathless("close", closing), pathless("remove the temporary file", removing))
}

// syncDirect syncs what is no regular file, as far as that means anything.
func syncDirect(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EROFS) {
		return err
	}
	return nil
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncOpen(d), d.Close())
}

// syncOpen syncs an open folder.
func syncOpen(d *os.File) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	return d.Sync()
}

// pathless is an error of package os with what was being done but without the
// path, which may be that of the temporary file; the caller names the target.
func pathless(doing string, err error) error {
	if err == nil {
		return nil
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	} else if le, ok := errors.AsType[*os.LinkError](err); ok {
		err = le.Err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

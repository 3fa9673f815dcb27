// Package fsys is the file system as the durable parts of Penstock use it, so
// that tests can put a faulty or a forgetful one in its place (see fsystest).
//
// Nothing here is durable by itself. To replace a file so that it survives a loss
// of power: write a temporary file in its folder, Sync it, Close it, Rename it
// over the old one, SyncDir the folder.
package fsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// FS is a file system. Names are paths as package os takes them. Errors name the
// operation and the path, and match the errors of package io/fs.
type FS interface {
	// OpenFile is os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// CreateTemp is os.CreateTemp.
	CreateTemp(dir, pattern string) (File, error)
	// Rename moves a file over whatever has the new name. It is atomic, and not
	// durable before SyncDir.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// Stat is os.Stat.
	Stat(name string) (fs.FileInfo, error)
	// ReadFile is os.ReadFile.
	ReadFile(name string) ([]byte, error)
	// ReadDir is os.ReadDir: sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// MkdirAll is os.MkdirAll.
	MkdirAll(name string, perm fs.FileMode) error
	// SyncDir makes the names in a folder durable: new, renamed and removed ones.
	SyncDir(name string) error
	// Lock takes the file at name, which it makes if need be, for the caller alone
	// until the result is closed or the process ends. If somebody else has it, in
	// this process or another, it fails at once with a *LockedError. The file stays.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.Reader
	io.Writer
	io.WriterAt
	io.Seeker
	io.Closer
	// Name is the path that it was opened with.
	Name() string
	// Truncate sets the size.
	Truncate(size int64) error
	// Sync makes what was written durable. After it failed nothing is known of what
	// was written since the one before, even if it succeeds when called again: give
	// the file up.
	Sync() error
}

// LockedError says that somebody else holds a lock.
type LockedError struct {
	Name string // the lock's file
	PID  int    // the process that holds it, 0 if that is not known
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: held by another run", e.Name)
	}
	return fmt.Sprintf("lock %s: held by another run, process %d", e.Name, e.PID)
}

// key is the context key of a file system.
type key struct{}

// With makes Of return files. It is how tests reach all durable parts of a run.
func With(ctx context.Context, files FS) context.Context {
	return context.WithValue(ctx, key{}, files)
}

// Of is the file system to use: the operating system's unless With said otherwise.
func Of(ctx context.Context) FS {
	if files, ok := ctx.Value(key{}).(FS); ok {
		return files
	}
	return OS{}
}

// OS is the operating system's file system.
type OS struct{}

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	return file(os.OpenFile(name, flag, perm))
}

// CreateTemp implements FS.
func (OS) CreateTemp(dir, pattern string) (File, error) { return file(os.CreateTemp(dir, pattern)) }

// file keeps a nil *os.File from becoming a File that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements FS.
func (OS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadFile implements FS.
func (OS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// MkdirAll implements FS.
func (OS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// SyncDir implements FS. On Windows it does nothing: there is no such thing.
func (OS) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Package fsystest holds file systems for tests: Faults, which fails or kills the
// process at an operation of choice, and Disk, which forgets what was not synced.
package fsystest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/penstock-go/penstock/internal/fsys"
)

// Kind is a kind of operation that changes files.
type Kind string

// The operations that are counted.
const (
	Open     Kind = "open" // for writing; also that of a temporary file and a lock
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Close    Kind = "close" // of a file opened for writing
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	Mkdir    Kind = "mkdir"
	SyncDir  Kind = "syncdir"
)

// Op is an operation that is about to happen.
type Op struct {
	N    int // counts the operations of a Faults, from 1
	Kind Kind
	Name string // the path, for a rename the old one
	To   string // for a rename the new path
	Size int    // for a write its bytes, for a truncate the size
}

// String writes the operation for a failure's message.
func (o Op) String() string { return fmt.Sprintf("operation %d: %s %s", o.N, o.Kind, o.Name) }

// ShortError is returned by a hook to make a write short: N bytes are written, then it
// fails with Err.
type ShortError struct {
	N   int
	Err error
}

// Error implements error.
func (s *ShortError) Error() string { return s.Err.Error() }

// Unwrap returns Err.
func (s *ShortError) Unwrap() error { return s.Err }

// Faults passes operations on to another file system and asks a hook before each
// that changes something. It is safe for concurrent use; the hook is called by one
// goroutine at a time.
type Faults struct {
	fsys.FS
	// Before may be nil. What it returns is what the operation fails with, without
	// having happened (a *ShortError writes a part; a close happens all the same).
	Before func(Op) error

	mu sync.Mutex
	n  int
}

// Count is how many operations there were.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *Faults) before(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	op.N = f.n
	if f.Before == nil {
		return nil
	}
	if err := f.Before(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

// FailAt is a hook that fails the n-th operation.
func FailAt(n int, err error) func(Op) error {
	return func(op Op) error {
		if op.N == n {
			return err
		}
		return nil
	}
}

// FailFrom is a hook that fails the n-th operation and all after it, as if the
// power were gone.
func FailFrom(n int, err error) func(Op) error {
	return func(op Op) error {
		if op.N >= n {
			return err
		}
		return nil
	}
}

// KillAt is a hook that kills the process before its n-th operation. With torn
// set, a write has written half by then.
func KillAt(n int, torn bool) func(Op) error {
	return func(op Op) error {
		switch {
		case op.N > n:
			kill()
		case op.N == n && torn && op.Kind == Write:
			// The next operation is the end, whatever it is: the caller sees a failed
			// write and closes the file.
			return &ShortError{op.Size / 2, io.ErrShortWrite}
		case op.N == n:
			kill()
		}
		return nil
	}
}

// kill ends the process as SIGKILL does, and does not return.
func kill() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal may take a moment
}

// OpenFile implements fsys.FS.
func (f *Faults) OpenFile(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f.FS.OpenFile(name, flag, perm)
	}
	if err := f.before(Op{Kind: Open, Name: name}); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.OpenFile(name, flag, perm))
}

// CreateTemp implements fsys.FS.
func (f *Faults) CreateTemp(dir, pattern string) (fsys.File, error) {
	if err := f.before(Op{Kind: Open, Name: dir + "/" + pattern}); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.CreateTemp(dir, pattern))
}

func (f *Faults) wrap(file fsys.File, err error) (fsys.File, error) {
	if err != nil {
		return nil, err
	}
	return &faulty{file, f}, nil
}

// Rename implements fsys.FS.
func (f *Faults) Rename(oldName, newName string) error {
	if err := f.before(Op{Kind: Rename, Name: oldName, To: newName}); err != nil {
		return err
	}
	return f.FS.Rename(oldName, newName)
}

// Remove implements fsys.FS.
func (f *Faults) Remove(name string) error {
	if err := f.before(Op{Kind: Remove, Name: name}); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// MkdirAll implements fsys.FS.
func (f *Faults) MkdirAll(name string, perm fs.FileMode) error {
	if err := f.before(Op{Kind: Mkdir, Name: name}); err != nil {
		return err
	}
	return f.FS.MkdirAll(name, perm)
}

// SyncDir implements fsys.FS.
func (f *Faults) SyncDir(name string) error {
	if err := f.before(Op{Kind: SyncDir, Name: name}); err != nil {
		if d, ok := f.FS.(*Disk); ok {
			d.loseNames(name)
		}
		return err
	}
	return f.FS.SyncDir(name)
}

// Lock implements fsys.FS.
func (f *Faults) Lock(name string) (io.Closer, error) {
	if err := f.before(Op{Kind: Open, Name: name}); err != nil {
		return nil, err
	}
	return f.FS.Lock(name)
}

// faulty is a file opened for writing.
type faulty struct {
	fsys.File
	f *Faults
}

func (f *faulty) Write(p []byte) (int, error) { return f.write(p, f.File.Write) }

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
}

func (f *faulty) write(p []byte, do func([]byte) (int, error)) (int, error) {
	err := f.f.before(Op{Kind: Write, Name: f.Name(), Size: len(p)})
	if err == nil {
		return do(p)
	}
	short, ok := asShort(err)
	if !ok {
		return 0, err
	}
	n, failed := do(p[:min(short.N, len(p))])
	if failed != nil {
		return n, failed
	}
	return n, err
}

func (f *faulty) Truncate(size int64) error {
	if err := f.f.before(Op{Kind: Truncate, Name: f.Name(), Size: int(size)}); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faulty) Sync() error {
	if err := f.f.before(Op{Kind: Sync, Name: f.Name()}); err != nil {
		if d, ok := f.File.(*diskFile); ok {
			d.lose()
		}
		return err
	}
	return f.File.Sync()
}

func (f *faulty) Close() error {
	err := f.f.before(Op{Kind: Close, Name: f.Name()})
	return errors.Join(err, f.File.Close())
}

func asShort(err error) (*ShortError, bool) { return errors.AsType[*ShortError](err) }

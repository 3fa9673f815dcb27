package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/internal/fsys"
)

// FileStore is a Store in a file. See File.
type FileStore struct {
	path    string
	without lack

	files   fsys.FS
	lock    io.Closer
	read    bool // the generations were looked at
	current bool // the file at path is whole: the next Save keeps it as the one before
	litter  bool // a Save failed and may have left its temporary file
}

// lack is what tests take out, to show that it is needed.
type lack struct{ fileSync, rename, dirSync, openSync, checksum bool }

// File is a store in the file at path, whose folder must exist. The file is JSON
// behind a line with its CRC-32C. Save writes a new one beside it, syncs it, keeps
// the old one as path.prev, renames the new one into its place and syncs the
// folder. Where the file turns out to be damaged, Load falls back to path.prev and
// says so in the State's Notice; if that is damaged too, it fails with ErrCorrupt.
// An error that the disk reports leaves the state before in force.
//
// The lock is path.lock, which stays behind and holds the number of the process
// that has it last. It is flock's on Unix and LockFileEx's on Windows, so that it
// goes with the process, however that ends; elsewhere a run that is killed leaves
// it, and it must be removed by hand. A symbolic link at path is replaced.
//
// An empty path panics.
func File(path string) *FileStore {
	if path == "" {
		panic("penstock: checkpoint.File: path is empty")
	}
	return &FileStore{path: path}
}

func (f *FileStore) previous() string  { return f.path + ".prev" }
func (f *FileStore) temporary() string { return f.path + ".tmp" }

// Open implements Store. What an interrupted Save left is removed. A Save that was
// killed between its last two steps can have left a state that a loss of power
// would take back; Open makes it durable, so that nobody acts on what may not last.
func (f *FileStore) Open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("checkpoint: %s: %w", f.path, err)
	}
	files := fsys.Of(ctx)
	lock, err := files.Lock(f.path + ".lock")
	if locked, ok := errors.AsType[*fsys.LockedError](err); ok {
		return &LockedError{Path: f.path, PID: locked.PID}
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	err = remove(files, f.temporary())
	if err == nil && !f.without.openSync {
		err = files.SyncDir(filepath.Dir(f.path))
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", errors.Join(err, lock.Close()))
	}
	f.files, f.lock, f.read, f.current, f.litter = files, lock, false, false, false
	return nil
}

// remove removes a file that need not be there.
func remove(files fsys.FS, name string) error {
	if err := files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close implements Store.
func (f *FileStore) Close(context.Context) error {
	if f.lock == nil {
		return nil
	}
	err := f.lock.Close()
	f.lock = nil
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", f.path, err)
	}
	return nil
}

// usable tells whether the store can be used now.
func (f *FileStore) usable(ctx context.Context) error {
	if f.lock == nil {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("checkpoint: %s: %w", f.path, err)
	}
	return nil
}

// Load implements Store.
func (f *FileStore) Load(ctx context.Context) (State, bool, error) {
	if err := f.usable(ctx); err != nil {
		return State{}, false, err
	}
	f.read, f.current = false, false
	s, err := f.load(f.path)
	if err == nil {
		f.read, f.current = true, true
		return s, true, nil
	}
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
		return State{}, false, err
	}
	older, worse := f.load(f.previous())
	switch {
	case worse == nil:
		f.read = true
		older.Notice = fmt.Sprintf("%v; went on from %s, epoch %d", err, f.previous(), older.Epoch)
		return older, true, nil
	case errors.Is(err, fs.ErrNotExist) && errors.Is(worse, fs.ErrNotExist):
		f.read = true
		return State{}, false, nil
	}
	return State{}, false, errors.Join(err, worse)
}

func (f *FileStore) load(name string) (State, error) {
	b, err := f.files.ReadFile(name)
	if err != nil {
		return State{}, fmt.Errorf("checkpoint: %w", err)
	}
	body, err := unseal(b, !f.without.checksum)
	if err != nil {
		return State{}, fmt.Errorf("checkpoint: %s: %w", name, err)
	}
	s, err := Decode(body)
	if err != nil {
		return State{}, fmt.Errorf("checkpoint: %s: %w", name, err)
	}
	return s, nil
}

// Save implements Store. It stops between two steps when the context ends, but
// not once the new file has taken its place.
func (f *FileStore) Save(ctx context.Context, s State) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	if !f.read {
		// What is there must be looked at before it is moved: a damaged file must not
		// take the place of the good one before it.
		if _, _, err := f.Load(ctx); err != nil {
			return err
		}
	}
	body, err := s.Encode()
	if err != nil {
		return err
	}
	if err := f.save(ctx, seal(body)); err != nil {
		return fmt.Errorf("checkpoint: saving epoch %d: %w", s.Epoch, err)
	}
	return nil
}

func (f *FileStore) save(ctx context.Context, content []byte) (err error) {
	if f.without.rename {
		return f.write(f.path, os.O_TRUNC, content)
	}
	if f.litter {
		if err := remove(f.files, f.temporary()); err != nil {
			return err
		}
	}
	f.litter = true
	defer func() {
		if err != nil && f.litter {
			err = errors.Join(err, remove(f.files, f.temporary()))
		}
	}()
	if err := f.write(f.temporary(), os.O_EXCL, content); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.current {
		f.current, f.read = false, false // if it fails, what is there must be looked at again
		if err := f.files.Rename(f.path, f.previous()); err != nil {
			return err
		}
	}
	f.read = false
	if err := f.files.Rename(f.temporary(), f.path); err != nil {
		return err
	}
	f.read, f.current, f.litter = true, true, false
	if f.without.dirSync {
		return nil
	}
	return f.files.SyncDir(filepath.Dir(f.path))
}

// write writes a new file and makes its contents durable. It is closed whatever
// happens, and after a failed sync never used again.
func (f *FileStore) write(name string, flag int, content []byte) (err error) {
	file, err := f.files.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if f.without.fileSync {
		return nil
	}
	return file.Sync()
}

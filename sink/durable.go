package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/stage"
)

// durableFile is the output of a run with a checkpoint, or one that is appended
// to: what a checkpoint speaks of stays when the run fails or is killed, and is
// what the next one goes on from.
//
// A file that is replaced as a whole is written under another name in its folder,
// which takes its name at the end. A file that is appended to is written in place
// and cut back to what is done.
type durableFile struct {
	fs      fsys.FS
	path    string // as the user names it
	target  string // links resolved
	name    string // where it is written: target, if it is appended to
	f       fsys.File
	size    int64
	sum     fsys.Checksum // of what was written, unless the file is appended to
	start   int64         // what was there before
	kept    bool          // a checkpoint speaks of it
	done    bool
	public  bool // an earlier run has put it in its place
	without lack // of tests
}

// lack is what a test takes out, to see that it is needed.
type lack struct {
	sync, cut bool
	giveUp    bool // a file whose sync failed
}

// fileState is what a checkpoint holds of a file.
type fileState struct {
	Path   string        `json:"path"`
	Name   string        `json:"name"` // where it is written, in the same folder
	Bytes  int64         `json:"bytes"`
	CRC    fsys.Checksum `json:"crc32c"` // 0 if it is appended to
	Append bool          `json:"append,omitzero"`
	Begun  bool          `json:"begun,omitzero"` // it has its header, if it is to have one
	Items  int64         `json:"items,omitzero"`
}

// createDurable begins a file anew.
func createDurable(ctx context.Context, path string, o *fileOptions) (*durableFile, error) {
	files := fsys.Of(ctx)
	target, mode, size, err := fsys.Target(files, path)
	if err != nil {
		return nil, err
	}
	d := &durableFile{fs: files, path: path, target: target, without: o.without}
	if o.appends {
		d.name, d.size, d.start = target, size, size
		d.f, err = files.OpenFile(target, os.O_WRONLY|os.O_CREATE, mode)
		if err != nil {
			return nil, err
		}
		if _, err = d.f.Seek(size, io.SeekStart); err != nil {
			return nil, errors.Join(err, d.f.Close())
		}
		return d, nil
	}
	// Always the same name: a run that is killed before its first checkpoint leaves
	// a file that nobody knows of, and the next one takes it.
	dir, base := filepath.Split(target)
	d.name = filepath.Join(dir, fmt.Sprintf(".%.200s.unfinished", base))
	d.f, err = files.OpenFile(d.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	return d, err
}

// reopenDurable goes on with the file that a checkpoint speaks of.
func reopenDurable(ctx context.Context, path string, o *fileOptions, s fileState) (*durableFile, error) {
	switch {
	case s.Path != path:
		return nil, fmt.Errorf("the checkpoint is of a run that wrote %s", s.Path)
	case s.Append != o.appends:
		return nil, errors.New("the checkpoint is of a run that replaced the file, or appended to it, and this one does the other")
	}
	files := fsys.Of(ctx)
	target, _, _, err := fsys.Target(files, path)
	if err != nil {
		return nil, err
	}
	d := &durableFile{fs: files, path: path, target: target, name: target, size: s.Bytes, sum: s.CRC, kept: true, without: o.without}
	if !o.appends {
		d.name = filepath.Join(filepath.Dir(target), s.Name)
	}
	info, err := files.Stat(d.name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !o.appends:
		there, failed := fsys.IsFile(files, target, s.Bytes, s.CRC)
		if !there || failed != nil {
			return nil, errors.Join(fmt.Errorf("what the run before has written: %w", err), failed)
		}
		d.public, d.done = true, true // the run before has ended but for the note of it
		return d, nil
	case err != nil:
		return nil, fmt.Errorf("what the run before has written: %w", err)
	case info.Size() < s.Bytes:
		return nil, fmt.Errorf("what the run before has written, %s, has %d bytes, and had %d", d.name, info.Size(), s.Bytes)
	}
	if d.f, err = files.OpenFile(d.name, os.O_WRONLY, 0); err != nil {
		return nil, err
	}
	if !d.without.cut {
		err = d.f.Truncate(s.Bytes)
	}
	if err == nil {
		_, err = d.f.Seek(s.Bytes, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, d.f.Close())
	}
	return d, nil
}

var errPublished = errors.New("an earlier run has finished the file")

// Write implements io.Writer.
func (d *durableFile) Write(b []byte) (int, error) {
	if d.public {
		return 0, errPublished
	}
	n, err := d.f.Write(b)
	d.size += int64(n)
	if d.name != d.target {
		_, _ = d.sum.Write(b[:n]) // it never fails
	}
	return n, err
}

func (d *durableFile) next() (io.Writer, error) { return d, nil }
func (*durableFile) finish() error              { return nil }
func (*durableFile) goesOn(begun bool) bool     { return begun }
func (d *durableFile) ended() bool              { return d.public }
func (d *durableFile) speaks() bool             { return d.kept }

// prepare implements durable.
func (d *durableFile) prepare(_ uint64, begun bool, items, _ int64) (any, error) {
	if !d.done && !d.without.sync {
		err := d.f.Sync()
		if err != nil && d.without.giveUp {
			err = d.f.Sync()
		}
		if err != nil {
			return nil, err
		}
		if !d.kept { // its name must last too
			if err := d.fs.SyncDir(filepath.Dir(d.name)); err != nil {
				return nil, err
			}
		}
	}
	d.kept = true
	return fileState{
		Path: d.path, Name: filepath.Base(d.name), Bytes: d.size, CRC: d.sum, Append: d.name == d.target, Begun: begun, Items: items,
	}, nil
}

// Commit puts the file in its place.
func (d *durableFile) Commit() error {
	if d.done {
		return nil
	}
	d.done = true
	err := d.f.Sync()
	if err = errors.Join(err, d.f.Close()); err != nil {
		return errors.Join(err, d.drop())
	}
	if d.name != d.target {
		if err := d.fs.Rename(d.name, d.target); err != nil {
			return errors.Join(err, d.drop())
		}
	}
	return d.fs.SyncDir(filepath.Dir(d.target))
}

// Abort leaves the old file, and what a checkpoint speaks of.
func (d *durableFile) Abort() error {
	if d.done {
		return nil
	}
	d.done = true
	var err error
	if !d.kept && d.name == d.target {
		err = d.f.Truncate(d.start)
	}
	return errors.Join(err, d.f.Close(), d.drop())
}

// drop removes a file that is ours alone: no checkpoint speaks of it, and nothing
// was there before.
func (d *durableFile) drop() error {
	if d.kept || d.name == d.target && d.start > 0 {
		return nil
	}
	if err := d.fs.Remove(d.name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// durable are files that a checkpoint can speak of.
type durable interface {
	files
	// goesOn reports whether the next file has a beginning, and so a header; begun is
	// whether there was a file.
	goesOn(begun bool) bool
	prepare(epoch uint64, begun bool, items, size int64) (state any, err error) // makes what was written last
	speaks() bool                                                               // whether a checkpoint speaks of them
	ended() bool                                                                // whether an earlier run has published them all
}

// prepare makes what was written last and returns what to go on from. The first
// time nothing was written.
func (w *fileWriter) prepare(epoch uint64, format stage.Format, items int64) (json.RawMessage, error) {
	d, ok := w.files.(durable)
	if !ok {
		return nil, errors.New("it was opened for a run without a checkpoint")
	}
	_, split := d.(*splitFiles)
	if !w.any && (split || format != nil) && d.speaks() { // the header, when there is a checkpoint to cut it back to
		if err := w.begin(format); err != nil {
			return nil, err
		}
	}
	if w.body != nil { // what follows is another gzip member or zstd frame
		if err := w.endBody(); err != nil {
			return nil, err
		}
	}
	state, err := d.prepare(epoch, w.any, items, w.size)
	if err != nil {
		return nil, err
	}
	return json.Marshal(state)
}

// restoreFile opens the output of a run that goes on.
func restoreFile(ctx context.Context, path string, o *fileOptions, restore json.RawMessage) (w *fileWriter, items int64, err error) {
	if err := claim(ctx, path, o); err != nil {
		return nil, 0, err
	}
	if o.maxBytes > 0 {
		return restoreSplit(ctx, path, o, restore)
	}
	var s fileState
	if err := json.Unmarshal(restore, &s); err != nil {
		return nil, 0, fmt.Errorf("the checkpoint's state: %w", err)
	}
	d, err := reopenDurable(ctx, path, o, s)
	if err != nil {
		return nil, 0, err
	}
	w = newFileWriter(path, o, d)
	w.any = s.Begun
	return w, s.Items, nil
}

package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/penstock-go/penstock/internal/fsys"
)

// segment is a complete Parquet file with the rows between two checkpoints.
type segment struct {
	Name  string        `json:"name"` // in the folder of the file
	Bytes int64         `json:"bytes"`
	CRC   fsys.Checksum `json:"crc32c"`
}

// segmentFile is a segment that is being written. It implements output.
type segmentFile struct {
	segment

	f    fsys.File
	done func(segment)
}

// Write implements io.Writer.
func (s *segmentFile) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	s.Bytes += int64(n)
	_, _ = s.CRC.Write(b[:n]) // it never fails
	return n, err
}

// Commit implements output.
func (s *segmentFile) Commit() error {
	err := s.f.Sync()
	if err = errors.Join(err, s.f.Close()); err == nil {
		s.done(s.segment)
	}
	return err
}

// Abort implements output. The file is removed by the run that goes on.
func (s *segmentFile) Abort() error { return s.f.Close() }

const unfinished = ".unfinished"

// folder is where the segments of a file are.
type folder struct {
	fs     fsys.FS
	target string // the file, links resolved
	mode   fs.FileMode
}

func openFolder(ctx context.Context, path string) (*folder, error) {
	files := fsys.Of(ctx)
	target, mode, _, err := fsys.Target(files, path)
	if err != nil {
		return nil, err
	}
	return &folder{fs: files, target: target, mode: mode}, nil
}

func (d *folder) dir() string             { return filepath.Dir(d.target) }
func (d *folder) path(name string) string { return filepath.Join(d.dir(), name) }

// prefix is how the names of its hidden files begin.
func (d *folder) prefix() string { return fmt.Sprintf(".%.200s-segment-", filepath.Base(d.target)) }

// create makes a segment.
func (d *folder) create(n int, done func(segment)) (*segmentFile, error) {
	s := &segmentFile{segment: segment{Name: fmt.Sprintf("%s%05d%s", d.prefix(), n, unfinished)}, done: done}
	var err error
	s.f, err = d.fs.OpenFile(d.path(s.Name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, d.mode)
	return s, err
}

// sweep removes the segments that are not of the list.
func (d *folder) sweep(keep []segment) error {
	kept := map[string]bool{}
	for _, s := range keep {
		kept[s.Name] = true
	}
	here, err := d.fs.ReadDir(d.dir())
	if err != nil {
		return err
	}
	for _, e := range here {
		number, ok := strings.CutPrefix(e.Name(), d.prefix())
		if ok {
			number, ok = strings.CutSuffix(number, unfinished)
		}
		if !ok || len(number) < 5 || strings.Trim(number, "0123456789") != "" || kept[e.Name()] {
			continue
		}
		if err := d.fs.Remove(d.path(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// missing reports whether a segment is gone; one that is shorter is an error.
func (d *folder) missing(all []segment) (bool, error) {
	for _, s := range all {
		info, err := d.fs.Stat(d.path(s.Name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return true, nil
		case err != nil:
			return false, err
		case info.Size() != s.Bytes:
			return false, fmt.Errorf("what the run before has written, %s, has %d bytes, and had %d", d.path(s.Name), info.Size(), s.Bytes)
		}
	}
	return false, nil
}

// madeOf is the key in a file's metadata of the segments that it was made of.
const madeOf = "penstock.segments"

func fingerprint(all []segment) (string, error) {
	text, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	var sum fsys.Checksum
	_, _ = sum.Write(text) // it never fails
	return fmt.Sprintf("%d %08x", len(all), uint32(sum)), nil
}

// published reports whether the file is what the segments make.
func (d *folder) published(all []segment) (is bool, err error) {
	if len(all) == 1 {
		return fsys.IsFile(d.fs, d.target, all[0].Bytes, all[0].CRC)
	}
	want, err := fingerprint(all)
	if err != nil {
		return false, err
	}
	err = d.read(d.target, func(f *parquet.File) error {
		got, ok := f.Lookup(madeOf)
		is = ok && got == want
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return is, err
}

// publish makes the file of the segments, which are at least one.
func (d *folder) publish(all []segment, opts []parquet.WriterOption) error {
	if len(all) == 1 {
		if err := d.fs.Rename(d.path(all[0].Name), d.target); err != nil {
			return err
		}
		return d.fs.SyncDir(d.dir())
	}
	temp := d.path(fmt.Sprintf(".%.200s%s", filepath.Base(d.target), unfinished))
	f, err := d.fs.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, d.mode)
	if err != nil {
		return err
	}
	err = d.merge(f, all, opts)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fs.Rename(temp, d.target)
	}
	if err == nil {
		err = d.fs.SyncDir(d.dir())
	}
	if err != nil {
		return err
	}
	return d.sweep(nil)
}

// merge copies the row groups of the segments, as they are.
func (d *folder) merge(out io.Writer, all []segment, opts []parquet.WriterOption) error {
	mark, err := fingerprint(all)
	if err != nil {
		return err
	}
	w := parquet.NewWriter(out, append(opts, parquet.KeyValueMetadata(madeOf, mark))...)
	for _, s := range all {
		err := d.read(d.path(s.Name), func(f *parquet.File) error {
			for _, group := range f.RowGroups() {
				if _, err := w.WriteRowGroup(group); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return w.Close()
}

// read opens a Parquet file for a function.
func (d *folder) read(path string, do func(*parquet.File) error) error {
	info, err := d.fs.Stat(path)
	if err != nil {
		return err
	}
	f, err := d.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(&readerAt{f: f}, info.Size())
	if err == nil {
		err = do(file)
	}
	return errors.Join(err, f.Close())
}

// readerAt reads a file anywhere.
type readerAt struct {
	mu sync.Mutex
	f  fsys.File
}

// ReadAt implements io.ReaderAt.
func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.f.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r.f, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

package sink

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/fsys"
)

// partFiles are numbered files that are published together, or as they become
// complete.
type partFiles interface {
	Create(dir, name string) (partFile, error)
	Commit() error
	Abort() error
}

// partFile is one of them.
type partFile interface {
	io.Writer
	Suspend() error // closes it until it is written to again
	Finish() error  // completes it
}

// atomicSet are files that are published together at the end of a run.
type atomicSet struct{ *atomicfile.Set }

// Create implements partFiles.
func (s atomicSet) Create(dir, name string) (partFile, error) {
	p, err := s.Set.Create(dir, name)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// partSet are the files of a run with a checkpoint. Each is written under a hidden
// name beside its own; those that are complete get their names when a checkpoint
// has been saved that speaks of them, and then are in the manifest.
type partSet struct {
	fs       fsys.FS
	root     string
	names    partNames
	run      string
	earlier  []partEntry     // of other runs, in the manifest until their folder gets a file
	public   []partEntry     // those of this run
	full     []*part         // complete
	due      int             // so many of full are to be published
	open     map[*part]bool  // those that are not complete
	known    map[string]bool // files of this run, and of earlier ones that are in the manifest
	hides    map[string]bool // files that are under a hidden name
	entered  map[string]bool // folders
	unsynced map[string]bool // folders with names that may be lost
	kept     bool            // a checkpoint speaks of the files
	ended    bool            // an earlier run has published them all
	without  lack
}

// part is a file that has not its name yet.
type part struct {
	partEntry
	set    *partSet
	f      fsys.File // nil: it is closed
	size   int64     // what was written to it, before compression
	dirty  bool      // something may be lost
	public bool      // an earlier run gave it its name
}

// openPartSet begins the files of a run.
func openPartSet(ctx context.Context, root string, names partNames, without lack) (*partSet, error) {
	s := newPartSet(ctx, root, names, without)
	s.run = rand.Text()
	m, err := readManifest(s.fs, s.manifest())
	if err != nil {
		return nil, err
	}
	s.before(m)
	return s, nil
}

func newPartSet(ctx context.Context, root string, names partNames, without lack) *partSet {
	return &partSet{
		fs: fsys.Of(ctx), root: filepath.Clean(root), names: names, without: without,
		open: map[*part]bool{}, known: map[string]bool{}, hides: map[string]bool{}, entered: map[string]bool{}, unsynced: map[string]bool{},
	}
}

// makeRoot makes the root folder, in one that exists.
func (s *partSet) makeRoot() error {
	above := filepath.Dir(s.root)
	if _, err := s.fs.Stat(above); err != nil {
		return err
	}
	s.unsynced[above] = true
	return s.fs.MkdirAll(s.root, 0o755)
}

func (s *partSet) manifest() string { return filepath.Join(s.root, manifestOf(s.names)) }

// before takes over what other runs have published.
func (s *partSet) before(m manifest) {
	for _, e := range m.Parts {
		s.known[e.File] = true
		e.Run = cmp.Or(e.Run, m.Run)
		if e.Run != s.run {
			s.earlier = append(s.earlier, e)
		}
	}
}

// place is where a file is once it has its name.
func (s *partSet) place(file string) string { return filepath.Join(s.root, filepath.FromSlash(file)) }

// hidden is where it is until then.
func (s *partSet) hidden(file string) string {
	dir, base := filepath.Split(s.place(file))
	return filepath.Join(dir, "."+base+unfinished)
}

// enter prepares to write to a folder: what runs left there that were killed is
// removed, and what is not known to be a run's must not be replaced.
func (s *partSet) enter(dir string) error {
	if s.entered[dir] {
		return nil
	}
	if err := s.makeFolder(dir); err != nil {
		return err
	}
	here, err := s.fs.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	for _, e := range here {
		if s.names.has(e.Name()) && !s.known[path.Join(dir, e.Name())] {
			return fmt.Errorf("%s is there and in no manifest: move it away or remove it", s.place(path.Join(dir, e.Name())))
		}
	}
	s.entered[dir] = true
	return s.sweep(dir, here)
}

// makeFolder makes a folder, which must not be a way out of the root.
func (s *partSet) makeFolder(dir string) error {
	if dir == "." {
		return nil
	}
	full := filepath.Join(s.root, filepath.FromSlash(dir))
	if err := s.fs.MkdirAll(full, 0o755); err != nil {
		return err
	}
	for above := path.Dir(dir); ; above = path.Dir(above) {
		s.unsynced[filepath.Join(s.root, filepath.FromSlash(above))] = true
		if above == "." {
			break
		}
	}
	if _, onDisk := s.fs.(fsys.OS); !onDisk {
		return nil
	}
	root, err := filepath.EvalSymlinks(s.root)
	if err != nil {
		return err
	}
	leads, err := filepath.EvalSymlinks(full)
	if err != nil {
		return err
	}
	if leads != filepath.Join(root, filepath.FromSlash(dir)) {
		return fmt.Errorf("folder %s: a link leads to %s", full, leads)
	}
	return nil
}

// sweep removes the files of a folder that were being written, and that no
// checkpoint speaks of.
func (s *partSet) sweep(dir string, here []fs.DirEntry) error {
	for _, e := range here {
		name, ok := strings.CutPrefix(e.Name(), ".")
		if ok {
			name, ok = strings.CutSuffix(name, unfinished)
		}
		if !ok || !s.names.has(name) || s.hides[path.Join(dir, name)] || !e.Type().IsRegular() {
			continue
		}
		if err := s.fs.Remove(s.hidden(path.Join(dir, name))); err != nil {
			return err
		}
	}
	return nil
}

// Create implements partFiles.
func (s *partSet) Create(dir, name string) (partFile, error) {
	if s.ended {
		return nil, errPublished
	}
	if err := s.enter(dir); err != nil {
		return nil, err
	}
	p := &part{set: s, partEntry: partEntry{File: path.Join(dir, name)}, dirty: true}
	hidden := s.hidden(p.File)
	f, err := s.fs.OpenFile(hidden, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("the file system takes folder %s for another: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	p.f = f
	s.open[p], s.known[p.File], s.hides[p.File] = true, true, true
	s.unsynced[filepath.Dir(hidden)] = true
	return p, nil
}

// Write implements io.Writer.
func (p *part) Write(b []byte) (int, error) {
	if p.public {
		return 0, errPublished
	}
	if err := p.reopen(); err != nil {
		return 0, err
	}
	p.dirty = true
	n, err := p.f.Write(b)
	p.Bytes += int64(n)
	_, _ = p.CRC.Write(b[:n]) // it never fails
	return n, err
}

func (p *part) reopen() (err error) {
	if p.f != nil {
		return nil
	}
	if p.f, err = p.set.fs.OpenFile(p.set.hidden(p.File), os.O_WRONLY, 0); err != nil {
		return err
	}
	_, err = p.f.Seek(p.Bytes, io.SeekStart)
	return err
}

// Suspend implements partFile.
func (p *part) Suspend() error {
	if p.f == nil {
		return nil
	}
	f := p.f
	p.f = nil
	return f.Close()
}

// sync makes what was written last. A file that was closed meanwhile is opened for
// it: what is synced is the file, and not the handle.
func (p *part) sync() error {
	if !p.dirty || p.set.without.sync {
		return nil
	}
	closed := p.f == nil
	if err := p.reopen(); err != nil {
		return err
	}
	if err := p.f.Sync(); err != nil {
		return err
	}
	p.dirty = false
	if closed {
		return p.Suspend()
	}
	return nil
}

// Finish implements partFile.
func (p *part) Finish() error {
	if !p.public {
		if err := errors.Join(p.sync(), p.Suspend()); err != nil {
			return err
		}
	}
	delete(p.set.open, p)
	p.set.full = append(p.set.full, p)
	return nil
}

// unfinishedParts are the files that are not complete, by name.
func (s *partSet) unfinishedParts() []*part {
	return slices.SortedFunc(maps.Keys(s.open), func(a, b *part) int { return cmp.Compare(a.File, b.File) })
}

// Commit implements partFiles: it is the end of the run.
func (s *partSet) Commit() error {
	if s.ended {
		return nil
	}
	for _, p := range s.unfinishedParts() {
		if err := p.Finish(); err != nil {
			return errors.Join(err, s.Abort())
		}
	}
	s.due = len(s.full)
	if err := s.publish(true); err != nil {
		return errors.Join(err, s.Abort())
	}
	s.ended = true
	return nil
}

// publish gives the files their names that a checkpoint speaks of, in place of those
// of earlier runs in their folders, and notes them in the manifest. It can be done
// again.
func (s *partSet) publish(complete bool) error {
	if s.due == 0 && !complete {
		return nil
	}
	now := s.full[:s.due]
	touched := map[string]bool{}
	for _, p := range now {
		touched[path.Dir(p.File)] = true
	}
	if err := s.replace(now, touched); err != nil {
		return err
	}
	for _, p := range now {
		if err := s.rename(p); err != nil {
			return err
		}
		delete(s.hides, p.File)
		s.public = append(s.public, p.partEntry)
	}
	for _, dir := range slices.Sorted(maps.Keys(touched)) {
		if err := s.fs.SyncDir(filepath.Join(s.root, filepath.FromSlash(dir))); err != nil {
			return err
		}
	}
	s.full, s.due = slices.Clone(s.full[s.due:]), 0
	m := manifest{Version: manifestVersion, Run: s.run, Complete: complete, Parts: slices.Concat(s.earlier, s.public)}
	return m.write(s.fs, s.manifest())
}

// replace removes the files of earlier runs in the folders, except those that get
// replaced by name.
func (s *partSet) replace(now []*part, touched map[string]bool) error {
	if len(s.earlier) == 0 {
		return nil
	}
	ours := map[string]bool{}
	for _, p := range now {
		ours[p.File] = true
	}
	for _, e := range s.public {
		ours[e.File] = true
	}
	var rest []partEntry
	for _, e := range s.earlier {
		dir, base := path.Split(e.File)
		switch {
		case !touched[path.Clean(dir)]:
			rest = append(rest, e)
		case ours[e.File] || !s.names.has(base):
		default:
			if err := s.fs.Remove(s.place(e.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	s.earlier = rest
	return nil
}

// rename gives a file its name, unless an earlier run has.
func (s *partSet) rename(p *part) error {
	err := s.fs.Rename(s.hidden(p.File), s.place(p.File))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, failed := fsys.IsFile(s.fs, s.place(p.File), p.Bytes, p.CRC)
	if there && failed == nil {
		return nil
	}
	return errors.Join(err, failed)
}

// Abort implements partFiles: what a checkpoint speaks of stays.
func (s *partSet) Abort() (err error) {
	for _, p := range s.unfinishedParts() {
		err = errors.Join(err, p.Suspend())
		if !s.kept {
			err = errors.Join(err, s.fs.Remove(s.hidden(p.File)))
		}
	}
	if !s.kept {
		for _, p := range s.full {
			err = errors.Join(err, s.fs.Remove(s.hidden(p.File)))
		}
	}
	return err
}

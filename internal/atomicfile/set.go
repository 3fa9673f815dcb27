package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Set replaces a set of files below one folder together. Its files are written
// beside where they will be, under temporary names, and take their places when
// the set is committed. Nothing outside of the folder is touched, whatever names
// and symbolic links there are.
type Set struct {
	root    *os.Root
	dir     string
	made    bool // the folder is ours
	old     func(name string) bool
	fault   Fault
	folders map[string]*folder // by their path in the root, which is "."
	parts   []*Part
	done    bool
}

// folder is a folder of the set.
type folder struct {
	info  fs.FileInfo
	made  bool // by us
	holds bool // parts
}

// ErrSameFolder says that two names that differ are one folder on the file
// system, because it does not tell their letters apart or because of a link.
var ErrSameFolder = errors.New("the file system takes both for one folder")

// OpenSet begins to replace files in the folder dir. If it is missing, it is made,
// when mkdir allows it and its own folder exists. In each folder that gets files,
// those whose names satisfy old belong to the set that is replaced: they are
// removed when the set is committed. Fault is nil but in tests.
func OpenSet(dir string, mkdir bool, old func(name string) bool, fault Fault) (*Set, error) {
	s := &Set{dir: dir, old: old, fault: fault}
	if mkdir {
		switch err := os.Mkdir(dir, 0o755); { //nolint:gosec // as any folder: the umask decides
		case err == nil:
			s.made = true
		case !errors.Is(err, fs.ErrExist):
			return nil, pathless("make the folder", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, pathless("open", err))
	}
	s.root = root
	info, err := root.Stat(".")
	if err != nil {
		return nil, errors.Join(pathless("look", err), s.Abort())
	}
	s.folders = map[string]*folder{".": {info: info}}
	return s, nil
}

// Create begins a new file, in a folder of the set that is made if it is missing.
// The folder's path has slashes; "." is the set's own.
func (s *Set) Create(dir, name string) (*Part, error) {
	if err := s.enter(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	s.folders[dir].holds = true
	for {
		temp := path.Join(dir, hidden(name, "tmp"))
		f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue // somebody else's; take another name
		}
		p := &Part{set: s, dir: dir, name: path.Join(dir, name), temp: temp, f: f}
		if err != nil {
			return nil, p.named(pathless("create", err))
		}
		s.parts = append(s.parts, p)
		return p, nil
	}
}

// hidden is a name beside name that nobody has.
func hidden(name, kind string) string {
	const maxName = 100 // leaves room for the rest under any system's limit
	if len(name) > maxName {
		name = name[:maxName]
	}
	return fmt.Sprintf(".%s.%016x.%s", name, rand.Uint64(), kind) //nolint:gosec // need not be secret
}

// enter makes a folder and those above it, unless they are known.
func (s *Set) enter(dir string) error {
	for i := 0; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		at := dir[:i]
		if s.folders[at] != nil {
			continue
		}
		made := true
		err := s.root.Mkdir(at, 0o755)
		if errors.Is(err, fs.ErrExist) {
			made, err = false, nil
		}
		if err != nil {
			return pathless("make the folder", err)
		}
		info, err := s.root.Stat(at)
		if err == nil && !info.IsDir() {
			err = errors.New("is no folder")
		}
		if err != nil {
			return pathless("look", err)
		}
		for other, f := range s.folders {
			if !made && os.SameFile(f.info, info) {
				return fmt.Errorf("%w: %s", ErrSameFolder, other)
			}
		}
		s.folders[at] = &folder{info: info, made: made}
	}
	return nil
}

// Part is a file of a set.
type Part struct {
	set  *Set
	dir  string
	name string // where it will be
	temp string // where it is
	f    *os.File
	done bool // synced and closed
}

// named is an error with the name of the file that it is about.
func (p *Part) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// Write implements io.Writer. It opens the file again if it was closed meanwhile.
func (p *Part) Write(b []byte) (n int, err error) {
	if err := p.reopen(); err != nil {
		return 0, p.named(err)
	}
	err = p.set.fault.before(Write, p.name, func() (err error) {
		n, err = p.f.Write(b)
		return err
	})
	return n, p.named(err)
}

func (p *Part) reopen() (err error) {
	if p.f == nil {
		p.f, err = p.set.root.OpenFile(p.temp, os.O_WRONLY|os.O_APPEND, 0)
	}
	return pathless("open", err)
}

// Suspend closes the file until it is written to again, so that fewer are open.
func (p *Part) Suspend() error {
	f := p.f
	if f == nil {
		return nil
	}
	p.f = nil
	return p.named(p.set.fault.before(Close, p.name, f.Close))
}

// Finish makes what was written durable and closes the file, which still has its
// temporary name. A file that was closed meanwhile is opened again for that: the
// system tells there of any failure since it was written.
func (p *Part) Finish() error {
	if p.done {
		return nil
	}
	if err := p.reopen(); err != nil {
		return p.named(err)
	}
	if err := p.set.fault.before(Sync, p.name, p.f.Sync); err != nil {
		return p.named(err)
	}
	p.done = true
	return p.Suspend()
}

// Commit finishes all files and puts them in their places. If it fails before it
// has, the old files are as they were and the new ones gone; it can still fail to
// remove old files, which have hidden names by then.
func (s *Set) Commit() error {
	if s.done {
		return fs.ErrClosed
	}
	for _, p := range s.parts {
		if err := p.Finish(); err != nil {
			return errors.Join(err, s.Abort())
		}
	}
	var m moves
	aside, err := s.swap(&m)
	if err == nil {
		err = s.syncFolders()
	}
	if err != nil {
		return errors.Join(err, m.undo(s.root), s.Abort())
	}
	s.done = true
	for _, name := range aside {
		err = errors.Join(err, pathless("remove the old file", s.root.Remove(name)))
	}
	return errors.Join(err, s.root.Close())
}

// swap puts the old files aside and the new ones in their places.
func (s *Set) swap(m *moves) (aside []string, err error) {
	for dir, f := range s.folders {
		if !f.holds || f.made {
			continue
		}
		names, err := s.oldOnes(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			to := path.Join(dir, hidden(name, "old"))
			if err := s.move(m, path.Join(dir, name), to); err != nil {
				return nil, err
			}
			aside = append(aside, to)
		}
	}
	for _, p := range s.parts {
		if err := s.move(m, p.temp, p.name); err != nil {
			return nil, err
		}
	}
	return aside, nil
}

// oldOnes lists the files in a folder that are replaced.
func (s *Set) oldOnes(dir string) (names []string, err error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, pathless("open the folder", err)
	}
	entries, err := d.ReadDir(-1)
	for _, e := range entries {
		if e.Type().IsRegular() && s.old(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, errors.Join(pathless("list the folder", err), pathless("close the folder", d.Close()))
}

func (s *Set) move(m *moves, from, to string) error {
	err := s.fault.before(Rename, to, func() error { return s.root.Rename(from, to) })
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimPrefix(to, "./"), err)
	}
	*m = append(*m, [2]string{from, to})
	return nil
}

// moves are renamings that can be undone.
type moves [][2]string

func (m moves) undo(root *os.Root) (err error) {
	for _, name := range slices.Backward(m) {
		err = errors.Join(err, pathless("put back", root.Rename(name[1], name[0])))
	}
	return err
}

// syncFolders makes the new names durable.
func (s *Set) syncFolders() error {
	dirty := make(map[string]bool)
	for dir, f := range s.folders {
		if f.holds {
			dirty[dir] = true
		}
		if f.made {
			dirty[path.Dir(dir)] = true
		}
	}
	for dir := range dirty {
		full := filepath.Join(s.dir, dir)
		if err := s.fault.before(SyncFolder, full, func() error { return s.syncFolder(dir) }); err != nil {
			return err
		}
	}
	if s.made {
		above := filepath.Dir(s.dir)
		return s.fault.before(SyncFolder, above, func() error { return syncFolder(above) })
	}
	return nil
}

func (s *Set) syncFolder(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncOpen(d), d.Close())
}

// Abort gives the new files up, and leaves the old ones as they were and no folder
// that was not there. After a Commit it does nothing.
func (s *Set) Abort() (err error) {
	if s.done {
		return nil
	}
	s.done = true
	for _, p := range s.parts {
		err = errors.Join(err, p.Suspend(), p.named(gone("remove the temporary file", s.root.Remove(p.temp))))
	}
	dirs := slices.Sorted(maps.Keys(s.folders))
	for _, dir := range slices.Backward(dirs) { // a folder comes after those within it
		if s.folders[dir].made {
			_ = s.root.Remove(dir) // unless somebody put something there
		}
	}
	err = errors.Join(err, s.root.Close())
	if s.made {
		_ = os.Remove(s.dir)
	}
	return err
}

// gone is the error of removing what may be gone already.
func gone(doing string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return pathless(doing, err)
}

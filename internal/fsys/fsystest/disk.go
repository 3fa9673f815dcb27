package fsystest

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/penstock-go/penstock/internal/fsys"
)

// Disk is a file system in memory that forgets, on a loss of power, what was not
// synced, as POSIX allows and as ext4, xfs and btrfs were seen to do:
//
//   - Of the writes and truncations of a file since its last Sync each may be lost,
//     kept, or kept in part, whatever happened to those around it. A hole reads as
//     zeros. What was synced stays.
//   - A Sync of a file says nothing of its name. Of the changes of names since the
//     folder's last SyncDir each may be lost or kept, whatever happened to the
//     others: a rename may be there without its contents. A rename is atomic.
//   - After a failed Sync or SyncDir the changes since the one before count as clean: they
//     can be seen until the power goes and a later Sync does not make them durable.
//
// The first two are from Pillai et al., All File Systems Are Not Created Equal
// (OSDI 2014), the third from Rebello et al., Can Applications Recover from fsync
// Failures? (ATC 2020). Disk is safe for concurrent use.
type Disk struct {
	mu    sync.Mutex
	live  map[string]*inode // what programs see
	kept  map[string]*inode // what is durable
	names []naming          // changes of names that are not durable yet
	temp  int
	locks map[string]bool
}

// inode is a file or a folder, whatever its names.
type inode struct {
	dir     bool
	data    []byte   // what programs see
	kept    []byte   // what is durable
	pending []change // what is not yet
}

// change is a write, or a truncation if data is nil.
type change struct {
	at   int64
	data []byte
}

// naming is a change of names: one that goes, one that comes, or both.
type naming struct {
	gone, name string
	node       *inode
}

// NewDisk makes an empty disk with the folder at root.
func NewDisk(root string) *Disk {
	d := &Disk{live: map[string]*inode{}, kept: map[string]*inode{}, locks: map[string]bool{}}
	for p := filepath.Clean(root); ; p = filepath.Dir(p) {
		n := &inode{dir: true}
		d.live[p], d.kept[p] = n, n
		if p == filepath.Dir(p) {
			return d
		}
	}
}

// apply does a change to a file's content.
func (c change) apply(data []byte) []byte {
	if c.data == nil {
		return resize(data, c.at)
	}
	if end := c.at + int64(len(c.data)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[c.at:], c.data)
	return data
}

func resize(data []byte, size int64) []byte {
	out := make([]byte, size)
	copy(out, data)
	return out
}

// apply does a change of names.
func (n naming) apply(names map[string]*inode) {
	if n.gone != "" {
		delete(names, n.gone)
	}
	if n.name != "" {
		names[n.name] = n.node
	}
}

// in tells whether the change is of a name in the folder.
func (n naming) in(dir string) bool {
	return n.gone != "" && filepath.Dir(n.gone) == dir || n.name != "" && filepath.Dir(n.name) == dir
}

// Crash is the disk as it may be after the power was lost now. choose(n) is asked
// for a number from 0 to n-1 for everything that may go either way; 0 always
// loses it. The disk itself stays as it is, so that it can be crashed again.
func (d *Disk) Crash(choose func(n int) int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.kept)
	for _, n := range d.names {
		if choose(2) == 1 {
			n.apply(names)
		}
	}
	after := &Disk{live: map[string]*inode{}, kept: map[string]*inode{}, locks: map[string]bool{}, temp: d.temp}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		if parent, ok := after.live[filepath.Dir(path)]; (!ok || !parent.dir) && path != filepath.Dir(path) {
			continue // lost with its folder
		}
		n := names[path]
		content := slices.Clone(n.kept)
		for _, c := range n.pending {
			content = c.survive(content, choose)
		}
		node := &inode{dir: n.dir, data: content, kept: slices.Clone(content)}
		after.live[path], after.kept[path] = node, node
	}
	return after
}

// survive does of a change what the power's loss leaves of it.
func (c change) survive(content []byte, choose func(int) int) []byte {
	switch choose(4) {
	case 0:
		return content
	case 1: // a beginning
		if len(c.data) > 1 {
			c.data = c.data[:1+choose(len(c.data)-1)]
		}
		return c.apply(content)
	case 2: // the size without the contents, as delayed allocation does
		if c.data != nil {
			return resize(content, max(int64(len(content)), c.at+int64(len(c.data))))
		}
	}
	return c.apply(content)
}

func failed(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// change does a change of names that is not durable yet.
func (d *Disk) change(n naming) {
	n.apply(d.live)
	d.names = append(d.names, n)
}

// OpenFile implements fsys.FS.
func (d *Disk) OpenFile(name string, flag int, _ fs.FileMode) (fsys.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open(name, flag)
}

func (d *Disk) open(name string, flag int) (fsys.File, error) {
	path := filepath.Clean(name)
	n, ok := d.live[path]
	writable := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case ok && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, failed("open", name, fs.ErrExist)
	case ok && n.dir && writable:
		return nil, failed("open", name, syscall.EISDIR)
	case !ok && flag&os.O_CREATE == 0:
		return nil, failed("open", name, fs.ErrNotExist)
	case !ok:
		if parent, there := d.live[filepath.Dir(path)]; !there || !parent.dir {
			return nil, failed("open", name, fs.ErrNotExist)
		}
		n = &inode{}
		d.change(naming{name: path, node: n})
	}
	if flag&os.O_TRUNC != 0 && writable {
		n.do(change{})
	}
	return &diskFile{d: d, n: n, name: name, writable: writable, appends: flag&os.O_APPEND != 0}, nil
}

// do does a change that is not durable yet.
func (n *inode) do(c change) {
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

// CreateTemp implements fsys.FS.
func (d *Disk) CreateTemp(dir, pattern string) (fsys.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.temp++
	prefix, suffix := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		prefix, suffix = pattern[:i], pattern[i+1:]
	}
	return d.open(filepath.Join(dir, prefix+strconv.Itoa(d.temp)+suffix), os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// Rename implements fsys.FS. Folders cannot be renamed.
func (d *Disk) Rename(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := filepath.Clean(oldName), filepath.Clean(newName)
	n, ok := d.live[from]
	parent, there := d.live[filepath.Dir(to)]
	old := d.live[to]
	var err error
	switch {
	case !ok || !there || !parent.dir:
		err = fs.ErrNotExist
	case n.dir || old != nil && old.dir:
		err = syscall.EISDIR
	case from != to:
		d.change(naming{gone: from, name: to, node: n})
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

// Remove implements fsys.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Clean(name)
	if _, ok := d.live[path]; !ok {
		return failed("remove", name, fs.ErrNotExist)
	}
	if len(d.list(path)) > 0 {
		return failed("remove", name, syscall.ENOTEMPTY)
	}
	d.change(naming{gone: path})
	return nil
}

// list is the paths in a folder, sorted.
func (d *Disk) list(dir string) (out []string) {
	for path := range d.live {
		if path != dir && filepath.Dir(path) == dir {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// Stat implements fsys.FS.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.live[filepath.Clean(name)]
	if !ok {
		return nil, failed("stat", name, fs.ErrNotExist)
	}
	return n.info(name), nil
}

// ReadFile implements fsys.FS.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.live[filepath.Clean(name)]
	switch {
	case !ok:
		return nil, failed("open", name, fs.ErrNotExist)
	case n.dir:
		return nil, failed("read", name, syscall.EISDIR)
	}
	return slices.Clone(n.data), nil
}

// ReadDir implements fsys.FS.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := filepath.Clean(name)
	if n, ok := d.live[dir]; !ok || !n.dir {
		return nil, failed("open", name, fs.ErrNotExist)
	}
	var out []fs.DirEntry
	for _, path := range d.list(dir) {
		out = append(out, fs.FileInfoToDirEntry(d.live[path].info(path)))
	}
	return out, nil
}

// MkdirAll implements fsys.FS.
func (d *Disk) MkdirAll(name string, _ fs.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for p := filepath.Clean(name); ; p = filepath.Dir(p) {
		if n, ok := d.live[p]; ok {
			if !n.dir {
				return failed("mkdir", p, syscall.ENOTDIR)
			}
			break
		}
		missing = append(missing, p)
		if p == filepath.Dir(p) {
			break
		}
	}
	for _, p := range slices.Backward(missing) {
		d.change(naming{name: p, node: &inode{dir: true}})
	}
	return nil
}

// SyncDir implements fsys.FS.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := filepath.Clean(name)
	if n, ok := d.live[dir]; !ok || !n.dir {
		return failed("open", name, fs.ErrNotExist)
	}
	d.names = slices.DeleteFunc(d.names, func(n naming) bool {
		if !n.in(dir) {
			return false
		}
		n.apply(d.kept)
		return true
	})
	return nil
}

// loseNames is a SyncDir that fails: the changes that were not durable never will
// be.
func (d *Disk) loseNames(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := filepath.Clean(name)
	d.names = slices.DeleteFunc(d.names, func(n naming) bool { return n.in(dir) })
}

// Lock implements fsys.FS. A lock does not outlive a Crash.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Clean(name)
	if d.locks[path] {
		return nil, &fsys.LockedError{Name: name, PID: os.Getpid()}
	}
	if _, err := d.open(name, os.O_RDWR|os.O_CREATE); err != nil {
		return nil, err
	}
	d.locks[path] = true
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, path)
	}), nil
}

type unlock func()

func (u unlock) Close() error {
	u()
	return nil
}

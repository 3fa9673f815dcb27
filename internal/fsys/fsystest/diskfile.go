package fsystest

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// diskFile is an open file of a Disk.
type diskFile struct {
	d                         *Disk
	n                         *inode
	name                      string
	at                        int64
	writable, appends, closed bool
}

// Name implements fsys.File.
func (f *diskFile) Name() string { return f.name }

// do does something to the open file.
func (f *diskFile) do(op string, changes bool, fn func() error) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	switch {
	case f.closed:
		return failed(op, f.name, fs.ErrClosed)
	case changes && !f.writable:
		return failed(op, f.name, syscall.EBADF)
	}
	return fn()
}

// Read implements fsys.File.
func (f *diskFile) Read(p []byte) (n int, err error) {
	err = f.do("read", false, func() error {
		if f.at >= int64(len(f.n.data)) {
			return io.EOF
		}
		n = copy(p, f.n.data[f.at:])
		f.at += int64(n)
		return nil
	})
	return n, err
}

// Write implements fsys.File.
func (f *diskFile) Write(p []byte) (int, error) {
	err := f.do("write", true, func() error {
		if f.appends {
			f.at = int64(len(f.n.data))
		}
		f.n.write(p, f.at)
		f.at += int64(len(p))
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt implements fsys.File.
func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.do("write", true, func() error {
		if off < 0 {
			return failed("write", f.name, syscall.EINVAL)
		}
		f.n.write(p, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (n *inode) write(p []byte, at int64) {
	if len(p) > 0 {
		n.do(change{at, slices.Clone(p)})
	}
}

// Seek implements fsys.File.
func (f *diskFile) Seek(offset int64, whence int) (at int64, err error) {
	err = f.do("seek", false, func() error {
		switch whence {
		case io.SeekCurrent:
			offset += f.at
		case io.SeekEnd:
			offset += int64(len(f.n.data))
		}
		if offset < 0 {
			return failed("seek", f.name, syscall.EINVAL)
		}
		f.at, at = offset, offset
		return nil
	})
	return at, err
}

// Truncate implements fsys.File.
func (f *diskFile) Truncate(size int64) error {
	return f.do("truncate", true, func() error {
		if size < 0 {
			return failed("truncate", f.name, syscall.EINVAL)
		}
		f.n.do(change{at: size})
		return nil
	})
}

// Sync implements fsys.File.
func (f *diskFile) Sync() error {
	return f.do("sync", false, func() error {
		for _, c := range f.n.pending {
			f.n.kept = c.apply(f.n.kept)
		}
		f.n.pending = nil
		return nil
	})
}

// lose is a Sync that fails: what was not durable never will be.
func (f *diskFile) lose() {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.n.pending = nil
}

// Close implements fsys.File.
func (f *diskFile) Close() error {
	return f.do("close", false, func() error {
		f.closed = true
		return nil
	})
}

// info is a file's fs.FileInfo.
type info struct {
	name string
	dir  bool
	size int64
}

func (n *inode) info(name string) fs.FileInfo {
	return info{filepath.Base(name), n.dir, int64(len(n.data))}
}

// Name implements fs.FileInfo.
func (i info) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i info) Size() int64 { return i.size }

// Mode implements fs.FileInfo.
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// ModTime implements fs.FileInfo: a Disk has no clock.
func (i info) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (i info) IsDir() bool { return i.dir }

// Sys implements fs.FileInfo.
func (i info) Sys() any { return nil }

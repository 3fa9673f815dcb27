package source

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/penstock-go/penstock/internal/codec"
)

const maxOffset = math.MaxInt64

var errNotSplit = errors.New("only files can be split")

// Split cuts the files that the paths name (see the package's documentation) into
// at most n sections of about the same size, as they are stored. Read one after
// the other, with [Within], they give the records of a whole read: a record that
// goes on behind a section's end belongs to the section that it begins in.
// Sections may be read in any order, at once, and by other processes.
//
// A file that is not compressed is cut at any byte; reading finds the next record.
// zstd data is cut between frames that say how much they hold, found in the table
// of the seekable format or by walking over the headers. A gzip file, and a zstd
// file of one frame, stays whole. Split reads no records. There are fewer than n
// sections where there are not as many places to cut.
//
// Standard input and named pipes cannot be split; that, and a file that cannot be
// looked at, is an [Error]. Split panics if n is not positive.
func Split(ctx context.Context, n int, paths ...string) ([]Section, error) {
	if n <= 0 {
		panic(fmt.Sprintf("penstock: source.Split: n is %d, want 1 or more", n))
	}
	names, err := expand(paths)
	if err != nil {
		return nil, err
	}
	files := make([]splitFile, len(names))
	total := int64(0)
	for i, name := range names {
		f := &files[i]
		if err := f.look(ctx, name); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			if name == stdin {
				name = stdinName
			}
			return nil, &Error{File: name, Err: pathless(err)}
		}
		f.part, f.before = int32(i), total
		total += f.size
	}
	var sections []Section
	var from cut
	for i := range n {
		to := cut{file: len(files)}
		if i < n-1 {
			to = cutAt(files, share(total, i+1, n))
		}
		if s := between(files, from, to); len(s) > 0 {
			sections = append(sections, s)
			from = to
		}
	}
	return sections, nil
}

// share is total*i/n, which may not fit.
func share(total int64, i, n int) int64 {
	q, r := total/int64(n), total%int64(n)
	return q*int64(i) + r*int64(i)/int64(n)
}

// splitFile is a file that is to be split.
type splitFile struct {
	path     string
	part     int32
	size     int64 // as it is stored
	before   int64 // sizes of the files before
	anywhere bool  // it can be cut at every byte
	starts   []codec.Boundary
}

// look finds out where a file can be cut.
func (f *splitFile) look(ctx context.Context, path string) (err error) {
	f.path = path
	if path == stdin {
		return errNotSplit
	}
	file, info, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	f.size = info.Size()
	f.starts, f.anywhere, err = codec.Boundaries(ctx, file, f.size)
	return err
}

// openRegular opens a file that can be read at any place.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, nil, errNotSplit
	}
	file, err := os.Open(path)
	return file, info, err
}

// cut is a place between two sections.
type cut struct {
	codec.Boundary
	file int
}

// cutAt is the last place to cut that is not behind so many stored bytes.
func cutAt(files []splitFile, at int64) cut {
	i, found := slices.BinarySearchFunc(files, at, func(f splitFile, at int64) int {
		if f.before < at {
			return -1
		} else if f.before > at {
			return 1
		}
		return 0
	})
	if found {
		return cut{file: i}
	}
	i-- // it is in the file before
	f := &files[i]
	within := at - f.before
	if f.anywhere {
		return cut{file: i, Boundary: codec.Boundary{At: min(within, f.size), Offset: min(within, f.size)}}
	}
	k, found := slices.BinarySearchFunc(f.starts, within, func(b codec.Boundary, at int64) int { return int(max(-1, min(1, b.At-at))) })
	if !found {
		k--
	}
	return cut{file: i, Boundary: f.starts[k]}
}

// between is the section from one cut to another.
func between(files []splitFile, from, to cut) (s Section) {
	for i := from.file; i < len(files) && i <= to.file; i++ {
		f := &files[i]
		piece := FileSection{Path: f.path, Part: f.part, Size: f.size}
		if i == from.file {
			piece.From, piece.At = from.Offset, from.At
		}
		if i == to.file {
			if to.At <= piece.At {
				break
			}
			piece.To = to.Offset
		}
		if f.size > piece.At {
			s = append(s, piece)
		}
	}
	return s
}

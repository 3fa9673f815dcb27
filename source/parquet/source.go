package parquet

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"github.com/penstock-go/penstock/internal/paths"
	"github.com/penstock-go/penstock/stage"
)

// Source makes a stream of the rows of a Parquet file, or of all files that a
// pattern matches. T is a struct, or a pointer to one, whose parquet tags name the
// columns, as in github.com/parquet-go/parquet-go; without a tag it is the field's
// own name:
//
//	type Flight struct {
//		Date   time.Time `parquet:"date"`
//		Delay  *int64    `parquet:"delay"` // nil for null
//		Origin string    `parquet:"origin"`
//	}
//
// Only the columns that T names are read and decoded. A column that a file does
// not have, or whose values do not fit the field, is an [Error] at that file:
// numbers may widen (from 32 to 64 bits), but are never cut; timestamps of any
// unit, and dates, fit a time.Time, which is in UTC; an int64 that its tag makes a
// timestamp takes those of the same unit only. Null is the zero value of a field
// that is no pointer. Fields may be structs, slices and maps, as the library has
// them.
//
// Rows come in file order. A position is the file (Part, Key) and its row
// (Record). Behind a pool, reading, decompressing and decoding run in the workers,
// which share the work on the pages of a row group and go on to the next while
// others are at the last rows of one. At any time at most the pages that hold the
// rows that are being filled are in memory, and one more of a column for each
// worker. Pulling opens files and reads their footers; it takes no more rows than
// it is asked for, or 1024. Plain columns are decoded page by page, directly into
// the fields; if T has others (structs, slices, maps, decimals, UUIDs), rows are
// decoded by the library, which takes several times as long, and a row group is
// checked as a whole before its first row; LZ4 is not supported there.
//
// Strings share memory, with each other or with a dictionary of the row group, as
// those of source.Lines do with their block: clone what is kept long from few rows.
//
// A file that is damaged or cut off is an [Error] that names file, row group, row
// and column; it ends the stream, after the rows before the chunk at fault. Pages
// are checked against their checksums where they have them. The format has none
// for its footer and page headers; what these say is held against each other.
// Encrypted files, those with data in other files, and standard input are not
// supported.
//
// The options are [Paths], [Between], [AtLeast], [AtMost] and [MaxPage]. Source
// panics if T is not a struct with columns.
func Source[T any](path string, opts ...Option) stage.Stream[T] {
	shape := shapeOf[T]("Source")
	o := settings(path, opts)
	s := stage.New("parquet.Source", func(context.Context) (stage.Puller[T], error) {
		files, err := paths.Expand(o.paths)
		if bad, ok := errors.AsType[*paths.Error](err); ok {
			return nil, fileError(bad.Path, bad.Err)
		}
		if slices.Contains(files, paths.Stdin) {
			return nil, fileError(paths.Stdin, errStdin)
		}
		return &puller[T]{opts: o, shape: shape, paths: files, zstd: newZstd(), files: make([]filePointer, len(files))}, err
	})
	s.Plan().Detail = o.detail()
	return s
}

var errStdin = errors.New("standard input cannot be read from its end, as Parquet files are")

// defaultRows is how many rows are taken when who pulls does not say, and the
// most at a time.
const defaultRows = 1024

// opened is a file with what its columns are for T.
type opened struct {
	*file
	plan *plan
}

// filePointer is set when a file is opened.
type filePointer = atomic.Pointer[opened]

type puller[T any] struct {
	opts  *options
	shape *shape
	paths []string
	zstd  func() (*zstd.Decoder, error)
	files []filePointer

	part  int
	first int64 // the ordinal of the next row
	row   int64 // the next row of the file
	group int   // the row group that it is in
	span  int   // of that group's
	start int64 // rows of the file before the group
	from  int64 // the first row that is wanted of the file that a run goes on in

	mu      sync.Mutex
	closing error // of a file that a worker closed
}

// Pull implements stage.Puller: it takes the next rows, which Fill reads.
func (p *puller[T]) Pull(ctx context.Context, into *stage.Chunk[T], limit stage.Limit) error {
	into.Reset()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p.part == len(p.paths) {
			return io.EOF
		}
		o := p.files[p.part].Load()
		if o == nil {
			var err error
			if o, err = p.open(); err != nil {
				return err
			}
		}
		if p.group == len(o.meta.RowGroups) {
			if err := o.release(); err != nil {
				return fileError(o.path, err)
			}
			p.part++
			p.from = 0
			p.row, p.group, p.span, p.start = 0, 0, 0, 0
			continue
		}
		if err := p.enter(o); err != nil {
			return err
		}
		g := o.groups[p.group].Load()
		if p.span == len(g.spans) {
			p.start += g.rows
			p.row, p.span = p.start, 0
			p.group++
			continue
		}
		s := g.spans[p.span]
		p.row = max(p.row, s.from+g.first)
		n := min(int64(room(limit)), s.to+g.first-p.row)
		o.users.Add(1)
		into.Tokens = append(into.Tokens, stage.Token{
			At: stage.Position{Part: int32(p.part), Record: p.row, Key: o.path}, First: p.first, N: n,
		})
		p.row += n
		p.first += n
		if p.row == s.to+g.first {
			p.span++
		}
		return nil
	}
}

// room is how many rows a limit allows.
func room(limit stage.Limit) int {
	if limit.Items > 0 {
		return min(limit.Items, defaultRows)
	}
	return defaultRows
}

// open opens the next file.
func (p *puller[T]) open() (*opened, error) {
	f, err := openFile(p.opts, p.paths[p.part])
	if err != nil {
		return nil, fileError(p.paths[p.part], err)
	}
	o := &opened{file: f}
	f.zstd = p.zstd
	p.files[p.part].Store(o)
	if o.plan, err = p.shape.match(f); err == nil {
		for _, r := range p.opts.ranges { // also when there are no row groups
			if _, err = r.leaf(f); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, located(context.Background(), f.path, -1, 0, err)
	}
	return o, nil
}

// enter makes the row group that is to be read.
func (p *puller[T]) enter(o *opened) error {
	if o.groups[p.group].Load() != nil {
		return nil
	}
	g, err := o.newGroup(p.group, p.start, p.from, o.plan.columns, o.plan.setters != nil)
	if err != nil {
		return located(context.Background(), o.path, p.group, 0, err)
	}
	o.groups[p.group].Store(g)
	return nil
}

// Fill implements stage.Filler: it reads and decodes the rows that Pull took.
func (p *puller[T]) Fill(ctx context.Context, c *stage.Chunk[T]) error {
	t := c.Tokens[0]
	o := p.files[t.At.Part].Load()
	g := o.groupOf(t.At.Record)
	e := span{t.At.Record - g.first, t.At.Record - g.first + t.N}
	n := int(t.N)
	c.Items = slices.Grow(c.Items[:0], n)[:n]
	err := safely(func() error {
		if o.plan.setters == nil {
			return readRows(ctx, o.file, g, o.plan.columns, e, c.Items)
		}
		return p.columns(ctx, o, g, e, c.Items)
	})
	if err == nil {
		p.closed(o, g.done(e))
	} else {
		clear(c.Items)
		c.Items = c.Items[:0]
		err = located(ctx, o.path, g.index, t.At.Record+1, err)
	}
	p.closed(o, o.release())
	return err
}

// closed keeps what closing reported to a worker for Close.
func (p *puller[T]) closed(o *opened, err error) {
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.closing = errors.Join(p.closing, fileError(o.path, err))
	}
}

// columns decodes rows column by column.
func (p *puller[T]) columns(ctx context.Context, o *opened, g *group, e span, items []T) error {
	pieces, err := g.columnPieces(ctx, e)
	if err != nil {
		return err
	}
	clear(items) // setters leave nulls as they are
	dst := base(items)
	if p.shape.pointer {
		dst = p.shape.structs(unsafe.Slice((*unsafe.Pointer)(dst), len(items)))
	}
	stride := p.shape.item.Size()
	for c, set := range o.plan.setters {
		field := unsafe.Add(dst, p.shape.fields[c].offset)
		for _, q := range pieces[c] {
			set(unsafe.Add(field, uintptr(q.at)*stride), stride, q.page, q.from, q.n)
		}
	}
	return nil
}

// Remaining implements stage.Sized, as soon as the last file is open.
func (p *puller[T]) Remaining() (int64, bool) {
	if p.part == len(p.paths) {
		return 0, true
	}
	o := p.files[p.part].Load()
	if o == nil || p.part != len(p.paths)-1 || len(p.opts.ranges) > 0 {
		return 0, false
	}
	return o.meta.NumRows - p.row, true
}

// Close implements stage.Puller.
func (p *puller[T]) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.closing
	for i := range p.files {
		if o := p.files[i].Load(); o != nil && o.users.Swap(0) > 0 {
			if e := o.close(); e != nil {
				err = errors.Join(err, fileError(o.path, e))
			}
		}
	}
	p.part = len(p.paths)
	return err
}

// release is called by who used the file. The last one closes it.
func (o *file) release() error {
	if o.users.Add(-1) == 0 {
		return o.close()
	}
	return nil
}

func (o *file) close() error {
	var err error
	for i := range o.groups {
		if g := o.groups[i].Swap(nil); g != nil {
			err = errors.Join(err, g.close())
		}
	}
	return errors.Join(err, o.f.Close())
}

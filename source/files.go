package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/stage"
)

// files takes blocks of whole records from one file after the other.
type files struct {
	opts   *options
	paths  []string // by part
	inputs []FileSection
	reader *blocks.Reader
	tally  *blocks.Tally
	memory blocks.Memory
	limits *codec.Limits
	header func(part int, record string) error // nil: files have no header
	learn  func(part int32, block []byte) bool // nil, or finds out about a file, until it knows
	csv    *csvFingerprint                     // nil: files are no CSV

	size   blockSize
	resume resuming
	input  int          // which of the inputs is read
	part   int          // its part
	close  func() error // it, when it is open
	file   *os.File     // it, when it is open and regular
	stored int64        // its size
	body   *codec.Reader
	wanted bool // its header is still to be read
	before bool // and so is what comes before the section
	lines  bool // every newline ends a record, and no file has a header
}

// openFiles finds the files and prepares to read them; none is opened yet.
func openFiles(opts *options, split blocks.Splitter) (*files, error) {
	inputs, err := opts.inputs()
	if err != nil {
		return nil, err
	}
	f := &files{opts: opts, inputs: inputs, limits: opts.unpack.limits(), size: blockSize{fixed: opts.blockSize}}
	f.reader = blocks.New(split, opts.maxRecord)
	f.reader.Use(&f.memory)
	_, f.lines = split.(*blocks.Lines)
	if n := len(inputs); n > 0 {
		f.paths = make([]string, inputs[n-1].Part+1)
	}
	for _, in := range inputs {
		f.paths[in.Part] = in.Path
	}
	var count func([]byte) int64
	if c, ok := split.(blocks.Counter); ok {
		count = c.Count
	}
	f.tally = blocks.NewTally(count)
	return f, nil
}

// next takes the next block. A block without data is a record over the limit.
// The token says where the block is; its number in the tally stands for the
// ordinal that settle will find out.
func (f *files) next(ctx context.Context, limit stage.Limit) ([]byte, stage.Token, error) {
	want, records := f.size.of(limit)
	for {
		if ctx.Err() != nil {
			return nil, stage.Token{}, context.Cause(ctx)
		}
		if f.close == nil {
			if f.input == len(f.inputs) {
				return nil, stage.Token{}, io.EOF
			}
			f.part = int(f.inputs[f.input].Part)
			if err := f.open(); err != nil {
				return nil, stage.Token{}, &Error{File: f.name(), Err: pathless(err)}
			}
		}
		b, err := f.block(ctx, want, records)
		switch err {
		case nil:
			t := stage.Token{
				First: f.tally.Add(b, int32(f.part)), N: b.Records,
				At: stage.Position{Part: int32(f.part), Offset: b.Offset, Key: f.name()},
			}
			return b.Data, t, nil
		case io.EOF:
			if err := f.leave(); err != nil {
				return nil, stage.Token{}, err
			}
			f.input++
		default:
			return nil, stage.Token{}, err
		}
	}
}

// settle makes the token of a block that was taken final: it says which records
// it holds. block is its data. A worker does that; it waits for none.
func (f *files) settle(t *stage.Token, block []byte) blocks.Counted {
	return settled(f.tally, t, block)
}

// settled makes a token that has the number of a block in the tally final.
func settled(tally *blocks.Tally, t *stage.Token, block []byte) blocks.Counted {
	if t.N < 0 {
		t.N = tally.Count(block) // not with the tally's lock held
	}
	c := tally.Settle(t.First, t.N)
	t.First, t.N, t.At.Record = c.First, c.Records, c.Record
	return c
}

// block takes the next block of the file that is open, its header first.
func (f *files) block(ctx context.Context, want, records int) (blocks.Block, error) {
	if f.wanted {
		b, err := f.reader.Next(ctx, 1, 1)
		if err != nil {
			return b, f.failed(ctx, err)
		}
		record := strings.TrimSuffix(string(b.Data), "\n")
		if n := max(b.Long, int64(len(record))); n > int64(f.opts.maxRecord) {
			err = tooLong(n, f.opts.maxRecord, b.Open)
		} else {
			err = f.header(f.part, record)
		}
		if err != nil {
			return b, &Error{File: f.name(), Err: fmt.Errorf("header: %w", err)}
		}
		f.wanted = false
	}
	if f.before && (!f.resume.pending || f.learn != nil) {
		if err := f.skip(ctx); err != nil {
			return blocks.Block{}, f.failed(ctx, err)
		}
	}
	if f.resume.pending {
		if err := f.goTo(ctx); err != nil {
			return blocks.Block{}, err
		}
	}
	b, err := f.reader.Next(ctx, want, records)
	return b, f.failed(ctx, err)
}

// failed gives a read error its place.
func (f *files) failed(ctx context.Context, err error) error {
	switch err {
	case nil, io.EOF:
		return err
	case blocks.ErrGaveUp:
		return context.Cause(ctx)
	}
	return &Error{
		File: f.name(), Record: f.tally.Records(int32(f.part)) + 1, Byte: f.reader.Bytes(), Err: pathless(err),
	}
}

// name is what positions and errors call the file that is read.
func (f *files) name() string {
	if path := f.paths[f.part]; path != stdin {
		return path
	}
	return stdinName
}

// open opens the next file.
func (f *files) open() error {
	path := f.paths[f.part]
	f.wanted = f.header != nil
	if path == stdin {
		file := os.Stdin
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			f.read(file, false)
		} else {
			f.readLive(newLive(path, f.limits, false, func() (*os.File, error) { return file, nil }))
		}
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return syscall.EISDIR
	case !info.Mode().IsRegular():
		f.readLive(newLive(path, f.limits, true, func() (*os.File, error) { return os.Open(path) }))
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := f.section(file, info.Size()); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// read begins to read a regular file.
func (f *files) read(file *os.File, owned bool) {
	f.file, f.body = file, codec.NewReader(file, f.paths[f.part], f.limits, runtime.GOMAXPROCS(0))
	body := f.body
	f.reader.Reset(func(_ context.Context, p []byte) (int, error) { return body.Read(p) }, false)
	f.before = false
	f.close = func() error {
		f.body.Close()
		if owned {
			return file.Close()
		}
		return nil
	}
}

func (f *files) readLive(l *live) {
	f.reader.Reset(l.read, true)
	f.before = false
	f.close = l.close
}

// leave closes the file that is open.
func (f *files) leave() error {
	if f.close == nil {
		return nil
	}
	err := f.close()
	f.close = nil
	if err != nil {
		return &Error{File: f.name(), Err: pathless(err)}
	}
	return nil
}

// filesPuller makes a Filler of files: pulling takes a block, filling counts its
// records and makes items of them.
type filesPuller[T any] struct {
	*files
	fill  func(*stage.Chunk[T]) error
	views bool  // whoever is done with the items may recycle their block
	lead  int64 // bytes of a record before its text
}

func (p *filesPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	block, t, err := p.next(ctx, max)
	if err != nil {
		return err
	}
	into.Tokens = append(into.Tokens, t)
	into.Block = block
	return nil
}

// Fill implements stage.Filler.
func (p *filesPuller[T]) Fill(_ context.Context, c *stage.Chunk[T]) error {
	if len(c.Tokens) == 0 {
		return nil // the input's end
	}
	t := &c.Tokens[0]
	counted := p.settle(t, c.Block)
	switch {
	case counted.Long > 0:
		c.Fail(itemError(*t, 0, p.lead, nil, tooLong(counted.Long, p.opts.maxRecord, counted.Open)))
		return nil
	case t.N == 0: // blank lines
		c.Tokens, c.Block = c.Tokens[:0], nil
		return nil
	}
	err := p.fill(c)
	if !p.views {
		c.Block = nil // the items may be kept: it must not be recycled
	}
	return err
}

// Recycle takes back the block of a chunk whose items nobody uses any more.
func (p *filesPuller[T]) Recycle(block []byte) { p.memory.Free(block) }

func (p *filesPuller[T]) Close() error { return p.leave() }

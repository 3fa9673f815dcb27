package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// csvFiles knows the columns of the files of one run.
type csvFiles struct {
	opts  *options
	files []atomic.Pointer[csvFile] // by part
}

// csvFile is what is known of a file's columns.
type csvFile struct {
	blocks.Columns
	names  []string     // of those that are kept, nil: they have none
	dense  atomic.Int64 // fields in the last KiB
	unused sync.Pool    // what decoded a block of it
}

// openCSV opens files of CSV.
func openCSV(o *options) (*files, *csvFiles, error) {
	f, err := openFiles(o, blocks.NewDialect(o.csv.dialect))
	if err != nil {
		return nil, nil, err
	}
	f.csv = o.csv.fingerprint()
	d := &csvFiles{opts: o, files: make([]atomic.Pointer[csvFile], len(f.paths))}
	switch {
	case o.csv.names != nil:
		file, err := d.file(o.csv.names)
		if err != nil {
			return nil, nil, err
		}
		for i := range d.files {
			d.files[i].Store(file)
		}
	case !o.csv.noHeader:
		f.header = d.header
	default:
		f.learn = d.unnamed
	}
	return f, d, nil
}

// header takes the header of a file.
func (d *csvFiles) header(part int, record string) error {
	names, _, err := d.opts.csv.dialect.Record([]byte(record))
	if err != nil {
		return err
	}
	file, err := d.file(names)
	d.files[part].Store(file)
	return err
}

// file is a file with columns of these names.
func (d *csvFiles) file(names []string) (*csvFile, error) {
	o := &d.opts.csv
	file := &csvFile{names: names, Columns: d.columns(len(names))}
	if o.columns == nil {
		return file, nil
	}
	picked, err := pick(names, o.columns)
	if err != nil {
		return nil, err
	}
	file.names = o.columns
	if !slices.Equal(names, o.columns) {
		file.Pick = picked
	}
	return file, nil
}

func (d *csvFiles) columns(width int) blocks.Columns {
	o := &d.opts.csv
	return blocks.Columns{Dialect: o.dialect, Width: width, Pad: o.pad, Null: o.null, MaxRecord: d.opts.maxRecord}
}

// unnamed takes a block of a file without names. It reports whether it is known how
// many fields the file's records have.
func (d *csvFiles) unnamed(part int32, block []byte) bool {
	if d.files[part].Load() != nil {
		return true
	}
	for len(block) > 0 {
		fields, n, err := d.opts.csv.dialect.Record(block)
		if err == nil && len(fields) > 0 {
			d.files[part].Store(&csvFile{Columns: d.columns(len(fields))})
			return true
		}
		block = block[n:]
	}
	return false
}

// pick is where in names the wanted columns are.
func pick(names, wanted []string) (picked []int, err error) {
	var missing []string
	for _, column := range wanted {
		i := slices.Index(names, column)
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%q", column))
		} else if slices.Contains(names[i+1:], column) {
			return nil, fmt.Errorf("column %q comes twice", column)
		}
		picked = append(picked, i)
	}
	switch len(missing) {
	case 0:
		return picked, nil
	case 1:
		return nil, fmt.Errorf("missing column %s", missing[0])
	}
	return nil, fmt.Errorf("missing columns %s", strings.Join(missing, ", "))
}

// csvPuller makes a Filler of files of CSV.
type csvPuller[T any] struct {
	filesPuller[T]
	csv *csvFiles
	// make makes items of a table that is the chunk's block, and has room for them.
	make func(p *csvPuller[T], c *stage.Chunk[T], file *csvFile) error
}

// Pull implements stage.Puller.
func (p *csvPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	err := p.filesPuller.Pull(ctx, into, max)
	if err == nil && p.opts.csv.noHeader && into.Block != nil {
		p.csv.unnamed(into.Tokens[0].At.Part, into.Block)
	}
	return err
}

// Fill implements stage.Filler.
func (p *csvPuller[T]) Fill(ctx context.Context, c *stage.Chunk[T]) error {
	if c.Block == nil {
		return p.filesPuller.Fill(ctx, c)
	}
	file := p.csv.files[c.Tokens[0].At.Part].Load()
	if file == nil { // it has no header, and no good record up to here
		file = &csvFile{Columns: p.csv.columns(0)}
	}
	return p.make(p, c, file)
}

// split makes a table of the chunk's block, and settles which records these are.
// It reports false if there are none.
func (p *csvPuller[T]) split(c *stage.Chunk[T], file *csvFile, table *blocks.Table) bool {
	file.Split(c.Block, table)
	t := &c.Tokens[0]
	t.N = int64(len(table.Starts) + len(table.Bad))
	p.settle(t, c.Block)
	if t.N == 0 {
		c.Tokens, c.Block = c.Tokens[:0], nil
		return false
	}
	c.Offsets = append(c.Offsets[:0], table.Starts...)
	return true
}

// badRecords are item errors of the records of a table that are none. The chunk
// has its items.
func (p *csvPuller[T]) badRecords(c *stage.Chunk[T], table *blocks.Table) {
	for k := range table.Bad {
		c.Errors = append(c.Errors, p.badRecord(c.Tokens[0], table, k))
	}
}

// badRecord is the item error of the k-th record of a table that is none.
func (p *csvPuller[T]) badRecord(t stage.Token, table *blocks.Table, k int) *stage.ItemError {
	bad := table.Bad[k]
	err := bad.Err
	var input any
	if errors.Is(err, blocks.ErrLong) {
		err = tooLong(int64(bad.Size), p.opts.maxRecord, false)
	} else {
		input = strings.TrimSuffix(string(table.Data[bad.At:bad.At+bad.Size]), "\r")
	}
	e := itemError(t, int64(bad.Before+k), int64(bad.At), input, err)
	e.Before = bad.Before
	return e
}

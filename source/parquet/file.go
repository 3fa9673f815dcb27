package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// magic is what a file begins and ends with.
const magic = "PAR1"

// encryptedMagic is what a file ends with whose footer is encrypted.
const encryptedMagic = "PARE"

var errEncrypted = errors.New("encrypted files are not supported")

// file is an open file. It is closed when nobody reads it any more.
type file struct {
	opts   *options
	path   string
	f      *os.File
	end    int64 // of the data, where the footer begins
	zstd   func() (*zstd.Decoder, error)
	pq     *parquet.File
	meta   *format.FileMetaData
	leaves []*parquet.Column
	starts []int64 // of each row group, the rows before it
	groups []atomic.Pointer[group]
	users  atomic.Int32 // chunks that are being filled, and the puller while it is at it
}

// openFile opens a file and reads its footer.
func openFile(opts *options, path string) (_ *file, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, syscall.EISDIR
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file: Parquet files are read from the end")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // only read from, and there is a better error
		}
	}()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	o := &file{opts: opts, path: path, f: f}
	if err := o.footer(info.Size()); err != nil {
		return nil, err
	}
	o.users.Store(1)
	return o, nil
}

// footer reads and checks the footer of a file of so many bytes.
func (o *file) footer(size int64) error {
	var head, tail [2 * len(magic)]byte
	if size < int64(len(magic)+len(tail)) {
		return corrupted("%d bytes are no Parquet file", size)
	}
	if err := readAt(o.f, head[:len(magic)], 0); err != nil {
		return err
	}
	if err := readAt(o.f, tail[:], size-int64(len(tail))); err != nil {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	switch end := string(tail[len(magic):]); {
	case end == encryptedMagic:
		return errEncrypted
	case string(head[:len(magic)]) != magic || end != magic:
		return corrupted("not a Parquet file, or one that was cut off: it begins with %q and ends with %q", head[:len(magic)], end)
	}
	o.end = size - int64(len(tail)) - length
	if o.end < int64(len(magic)) {
		return corrupted("a footer of %d bytes in a file of %d", length, size)
	}
	b := make([]byte, length)
	if err := readAt(o.f, b, o.end); err != nil {
		return err
	}
	n, err := thriftStructSize(b)
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	if int64(n) != length {
		return corrupted("%d bytes behind the footer", length-int64(n))
	}
	err = safely(func() error {
		o.pq, err = parquet.OpenFile(o.f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: footer: %w", errCorrupted, err)
	}
	o.meta = o.pq.Metadata()
	return o.check()
}

// check holds what the footer says against itself and the file.
func (o *file) check() error {
	if o.meta.EncryptionAlgorithm.Value != nil {
		return errEncrypted
	}
	o.leaves = leavesOf(o.pq.Root(), nil)
	var rows int64
	for i := range o.meta.RowGroups {
		g := &o.meta.RowGroups[i]
		if g.NumRows < 0 || len(g.Columns) != len(o.leaves) || int(g.Ordinal) != i {
			return corrupted("row group %d with %d rows and %d columns, want %d", i, g.NumRows, len(g.Columns), len(o.leaves))
		}
		o.starts = append(o.starts, rows)
		rows += g.NumRows
		for j := range g.Columns {
			if err := o.checkColumn(&g.Columns[j], o.leaves[j], g.NumRows); err != nil {
				return fmt.Errorf("row group %d, column %q: %w", i, dotted(o.leaves[j].Path()), err)
			}
		}
	}
	o.groups = make([]atomic.Pointer[group], len(o.starts))
	if rows != o.meta.NumRows {
		return corrupted("row groups of %d rows, want %d", rows, o.meta.NumRows)
	}
	return nil
}

func (o *file) checkColumn(c *format.ColumnChunk, leaf *parquet.Column, rows int64) error {
	m := &c.MetaData
	switch {
	case c.FilePath != "":
		return fmt.Errorf("its data is in another file, %q, which is not supported", c.FilePath)
	case m.Type != format.Type(leaf.Type().Kind()):
		return corrupted("type %v, want %v", m.Type, leaf.Type().Kind())
	case m.NumValues < rows || leaf.MaxRepetitionLevel() == 0 && m.NumValues != rows:
		return corrupted("%d values in %d rows", m.NumValues, rows)
	case leaf.Type().Kind() == parquet.FixedLenByteArray && leaf.Type().Length() <= 0:
		return corrupted("values of %d bytes", leaf.Type().Length())
	}
	return nil
}

// leavesOf are the columns that hold values, in the order of the file.
func leavesOf(c *parquet.Column, leaves []*parquet.Column) []*parquet.Column {
	if c.Leaf() {
		return append(leaves, c)
	}
	for _, child := range c.Columns() {
		leaves = leavesOf(child, leaves)
	}
	return leaves
}

// groupOf is the row group that is read and holds a row of the file.
func (o *file) groupOf(row int64) *group {
	i := sort.Search(len(o.starts), func(i int) bool { return o.starts[i] > row }) - 1
	return o.groups[i].Load()
}

// chunk is a column of a row group.
func (o *file) chunk(group, column int) *chunk {
	g := &o.meta.RowGroups[group]
	return &chunk{file: o, column: o.leaves[column], meta: &g.Columns[column].MetaData, numRows: g.NumRows}
}

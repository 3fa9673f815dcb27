package parquet

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// place is where a page is.
type place struct {
	offset int64 // of its bytes, behind its header
	header *format.PageHeader
	first  int64 // the row group's row that it begins with; -1: not known
	rows   int64 // -1: not known
}

// layout is where the pages of a column chunk are.
type layout struct {
	dict  *place
	pages []place
	known bool // which rows are in which page
}

// chunk is a column of a row group.
type chunk struct {
	file    *file
	column  *parquet.Column // its compression is taken for none: decompress is ours
	meta    *format.ColumnMetaData
	numRows int64
}

// locate finds the pages of the chunk by their headers, which are the only part
// that is sure to be there.
func (c *chunk) locate() (l layout, err error) {
	offset := c.meta.DataPageOffset
	if d := c.meta.DictionaryPageOffset; d > 0 && d < offset {
		offset = d
	}
	l.known = true
	var values, rows int64
	for values < c.meta.NumValues {
		h, n, err := readHeader(c.file.f, offset, c.file.end)
		if err != nil {
			return l, fmt.Errorf("page header at byte %d: %w", offset, err)
		}
		p := place{offset: offset + int64(n), header: h, first: -1, rows: -1}
		if err := c.check(&p); err != nil {
			return l, fmt.Errorf("page at byte %d: %w", offset, err)
		}
		offset = p.offset + int64(h.CompressedPageSize)
		switch h.Type {
		case format.DictionaryPage:
			if l.dict != nil || len(l.pages) > 0 {
				return l, corrupted("a second dictionary at byte %d", p.offset)
			}
			l.dict = &p
		case format.DataPage, format.DataPageV2:
			count := pageValues(h)
			if h.Type == format.DataPageV2 {
				p.rows = int64(h.DataPageHeaderV2.V.NumRows)
			}
			if c.column.MaxRepetitionLevel() == 0 {
				p.rows = count
			}
			values += count
			if p.rows >= 0 && l.known {
				p.first = rows
				rows += p.rows
			} else {
				l.known = false
			}
			l.pages = append(l.pages, p)
		default: // others may be passed over
		}
	}
	if values != c.meta.NumValues {
		return l, corrupted("pages of %d values, want %d", values, c.meta.NumValues)
	}
	if l.known && rows != c.numRows {
		return l, corrupted("pages of %d rows, want %d", rows, c.numRows)
	}
	return l, nil
}

// pageValues is how many values a data page has, nulls among them.
func pageValues(h *format.PageHeader) int64 {
	if h.Type == format.DataPageV2 {
		return int64(h.DataPageHeaderV2.V.NumValues)
	}
	return int64(h.DataPageHeader.V.NumValues)
}

// maxPageValues is how many values a page may have: some bytes of memory are
// needed for each, however well they are packed.
const maxPageValues = 1 << 26

// check holds a page's header against what can be.
func (c *chunk) check(p *place) error {
	h := p.header
	var values int32
	var there bool
	switch h.Type {
	case format.DictionaryPage:
		values, there = h.DictionaryPageHeader.V.NumValues, h.DictionaryPageHeader.Valid
	case format.DataPage:
		values, there = h.DataPageHeader.V.NumValues, h.DataPageHeader.Valid
	case format.DataPageV2:
		v := &h.DataPageHeaderV2.V
		values, there = v.NumValues, h.DataPageHeaderV2.Valid
		if v.NumRows < 0 || v.NumNulls < 0 || v.DefinitionLevelsByteLength < 0 || v.RepetitionLevelsByteLength < 0 {
			return corrupted("a negative number in its header")
		}
	default:
		there = true
	}
	size := max(h.CompressedPageSize, h.UncompressedPageSize)
	switch {
	case !there:
		return corrupted("a header without its part for %v", h.Type)
	case values < 0 || h.CompressedPageSize < 0 || h.UncompressedPageSize < 0:
		return corrupted("a negative number in its header")
	case int64(h.CompressedPageSize) > c.file.end-p.offset:
		return corrupted("%d bytes, of which %d are there", h.CompressedPageSize, max(0, c.file.end-p.offset))
	case int64(size) > c.file.opts.maxPage || values > maxPageValues:
		return fmt.Errorf("%w: %d bytes, %d values", ErrTooLarge, size, values)
	}
	return nil
}

// The header of a page has some tens of bytes, and more where it holds the
// smallest and largest values of long strings.
const (
	headerGuess = 512
	maxHeader   = 16 << 20
)

// readHeader reads the page header at an offset, before end.
func readHeader(f *os.File, offset, end int64) (h *format.PageHeader, n int, err error) {
	if offset < int64(len(magic)) || offset >= end {
		return nil, 0, corrupted("outside of the data")
	}
	for size := int64(headerGuess); ; size *= 8 {
		b := make([]byte, min(size, end-offset))
		if err := readAt(f, b, offset); err != nil {
			return nil, 0, err
		}
		n, err := thriftStructSize(b)
		if err == errShort && size < maxHeader && int64(len(b)) < end-offset {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		h := new(format.PageHeader)
		return h, n, safely(func() error { return unmarshal(b[:n], h) })
	}
}

// unmarshal decodes a structure of the compact protocol that was checked.
func unmarshal(b []byte, v any) error {
	var protocol thrift.CompactProtocol
	if err := thrift.Unmarshal(&protocol, b, v); err != nil {
		return fmt.Errorf("%w: %w", errCorrupted, err)
	}
	return nil
}

// readAt fills b. That the file ends before is an error: it was longer.
func readAt(f *os.File, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read reads a page and checks it against its checksum, if it has one.
func (c *chunk) read(p *place) ([]byte, error) {
	b := make([]byte, p.header.CompressedPageSize)
	if err := readAt(c.file.f, b, p.offset); err != nil {
		return nil, err
	}
	if want := uint32(p.header.CRC); want != 0 {
		if got := crc32.ChecksumIEEE(b); got != want {
			return nil, corrupted("checksum is %08x, want %08x", got, want)
		}
	}
	return b, nil
}

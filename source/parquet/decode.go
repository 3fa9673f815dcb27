package parquet

import (
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// values are the decoded values of a page or dictionary, in the one slice that
// its column's type has.
type values struct {
	n       int
	int32s  []int32
	int64s  []int64
	floats  []float32
	doubles []float64
	bits    []byte   // of booleans
	bytes   []byte   // of byte arrays, or of those of fixed size
	offsets []uint32 // of byte arrays in bytes, one more than there are
	texts   []string // of a dictionary of byte arrays
}

// page is a decoded page of a column that is not repeated.
type page struct {
	first, rows int64
	present     []byte  // for each row whether it has a value; nil: all have
	rank        []int32 // how many have before each block of rankRows
	indexes     []int32 // of the values in the dictionary; nil: there is none
	values      *values
}

// rankRows is after how many rows the number of values is noted.
const rankRows = 256

// valuesBefore is how many of the page's first n rows have a value.
func (p *page) valuesBefore(n int) int {
	if p.present == nil {
		return n
	}
	block := n / rankRows
	count := int(p.rank[block])
	for _, v := range p.present[block*rankRows : n] {
		count += int(v)
	}
	return count
}

// decode reads and decodes a page of a column that is not repeated and at most
// optional. What its bytes claim is checked before the decoders make room for
// it.
func (c *chunk) decode(p *place, dict *values) (*page, error) {
	b, err := c.read(p)
	if err != nil {
		return nil, err
	}
	o, err := c.open(p, b)
	if err != nil {
		return nil, err
	}
	full, err := c.verify(p, &o)
	if err != nil {
		return nil, err
	}
	out := &page{first: p.first, rows: p.rows}
	if int64(full) < p.rows {
		if err := out.levels(o.definition, int(p.rows)); err != nil {
			return nil, err
		}
	}
	encoding := pageEncoding(p.header)
	if indexed(encoding) {
		if dict == nil {
			return nil, corrupted("indexes without a dictionary")
		}
		out.values = dict
		out.indexes, err = indexes(o.values, full, dict.n)
		return out, err
	}
	out.values, err = c.values(o.values, encoding, full)
	return out, err
}

// indexed tells whether an encoding, by its name of now or that of version 1, is
// that of indexes into a dictionary.
func indexed(encoding format.Encoding) bool {
	return encoding == format.RLEDictionary || encoding == format.PlainDictionary //nolint:staticcheck // deprecated, and in use
}

// verify checks the levels and the encoded values of a page, and returns how many
// of its values are not null.
func (c *chunk) verify(p *place, o *body) (full int, err error) {
	n := int(pageValues(p.header))
	full = n
	if highest := c.column.MaxRepetitionLevel(); highest > 0 {
		if _, err := checkLevels(o.repetition, highest, n); err != nil {
			return 0, err
		}
	}
	if highest := c.column.MaxDefinitionLevel(); highest > 0 {
		if full, err = checkLevels(o.definition, highest, n); err != nil {
			return 0, err
		}
	}
	return full, c.checkEncoding(o.values, pageEncoding(p.header), full)
}

// levels decodes which rows have a value.
func (p *page) levels(b []byte, rows int) error {
	return safely(func() error {
		e := rle.Encoding{BitWidth: 1}
		present, err := e.DecodeLevels(make([]byte, 0, rows+8), b)
		if err != nil {
			return err
		}
		if len(present) < rows {
			return corrupted("%d levels, want %d", len(present), rows)
		}
		p.present = present[:rows]
		p.rank = make([]int32, 0, rows/rankRows+1)
		count := int32(0)
		for i, v := range p.present {
			if i%rankRows == 0 {
				p.rank = append(p.rank, count)
			}
			count += int32(v)
		}
		if rows%rankRows == 0 {
			p.rank = append(p.rank, count)
		}
		return nil
	})
}

// indexes decodes n indexes into a dictionary of size values.
func indexes(b []byte, n, size int) (out []int32, err error) {
	if n == 0 {
		return []int32{}, nil
	}
	if b[0] == 0 {
		out = make([]int32, n)
	} else {
		err = safely(func() error {
			out, err = parquet.RLEDictionary.DecodeInt32(make([]int32, 0, n+8), b)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) < n {
			return nil, corrupted("%d indexes, want %d", len(out), n)
		}
		out = out[:n]
	}
	if low, high := slices.Min(out), slices.Max(out); low < 0 || int(high) >= size {
		return nil, corrupted("an index out of the dictionary")
	}
	return out, nil
}

func pageEncoding(h *format.PageHeader) format.Encoding {
	if h.Type == format.DataPageV2 {
		return h.DataPageHeaderV2.V.Encoding
	}
	return h.DataPageHeader.V.Encoding
}

// values decodes n values.
func (c *chunk) values(b []byte, encoding format.Encoding, n int) (*values, error) {
	v := &values{n: n}
	err := safely(func() (err error) {
		e := parquet.LookupEncoding(encoding)
		got := n
		switch c.column.Type().Kind() {
		case parquet.Boolean:
			if v.bits, err = e.DecodeBoolean(make([]byte, 0, n/8+1), b); len(v.bits)*8 < n {
				got = len(v.bits) * 8
			}
		case parquet.Int32:
			v.int32s, err = e.DecodeInt32(make([]int32, 0, n), b)
			got = len(v.int32s)
		case parquet.Int64:
			v.int64s, err = e.DecodeInt64(make([]int64, 0, n), b)
			got = len(v.int64s)
		case parquet.Float:
			v.floats, err = e.DecodeFloat(make([]float32, 0, n), b)
			got = len(v.floats)
		case parquet.Double:
			v.doubles, err = e.DecodeDouble(make([]float64, 0, n), b)
			got = len(v.doubles)
		case parquet.ByteArray:
			v.bytes, v.offsets, err = e.DecodeByteArray(make([]byte, 0, len(b)), b, make([]uint32, 0, n+1))
			got = max(0, len(v.offsets)-1)
		case parquet.FixedLenByteArray:
			size := c.column.Type().Length()
			v.bytes, err = e.DecodeFixedLenByteArray(make([]byte, 0, n*size), b, size)
			got = len(v.bytes) / size
		default:
			err = corrupted("values of type %v", c.column.Type())
		}
		if err == nil && got != n {
			err = corrupted("%d values, want %d", got, n)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// dictionary reads and decodes the chunk's dictionary.
func (c *chunk) dictionary(p *place) (*values, error) {
	b, err := c.read(p)
	if err != nil {
		return nil, err
	}
	if b, err = c.file.decompress(c.meta.Codec, b, int(p.header.UncompressedPageSize)); err != nil {
		return nil, err
	}
	h := p.header.DictionaryPageHeader.V
	if h.Encoding != format.Plain && !indexed(h.Encoding) {
		return nil, corrupted("a dictionary in encoding %v", h.Encoding)
	}
	n := int(h.NumValues)
	if err := c.checkPlain(b, format.Type(c.column.Type().Kind()), n); err != nil {
		return nil, err
	}
	v, err := c.values(b, format.Plain, n)
	if err == nil && v.offsets != nil {
		v.texts = make([]string, n)
		all := string(v.bytes) // shared by the strings of every row
		for i := range v.texts {
			v.texts[i] = all[v.offsets[i]:v.offsets[i+1]]
		}
	}
	return v, err
}

// examine reads and checks every page of a chunk that the library is to decode,
// without the decoding: the library makes room for whatever a page claims.
func (c *chunk) examine() error {
	if c.meta.Codec == format.Lz4Raw { // of which the library decodes some wrongly
		return fmt.Errorf("%v is not supported for rows that have other than plain columns", c.meta.Codec)
	}
	l, err := c.locate()
	if err != nil {
		return err
	}
	if l.dict != nil {
		if _, err := c.dictionary(l.dict); err != nil {
			return err
		}
	}
	for i := range l.pages {
		p := &l.pages[i]
		b, err := c.read(p)
		if err != nil {
			return err
		}
		o, err := c.open(p, b)
		if err != nil {
			return err
		}
		full, err := c.verify(p, &o)
		if err != nil {
			return err
		}
		if h := &p.header.DataPageHeaderV2; h.Valid && int64(h.V.NumNulls) != pageValues(p.header)-int64(full) {
			return corrupted("a page of %d nulls, want %d", pageValues(p.header)-int64(full), h.V.NumNulls)
		}
	}
	return nil
}

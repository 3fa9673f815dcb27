package parquet

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/format"
)

// maxFilling is by how many groups of eight a writer may fill up the last packed
// run. DuckDB packs 32 groups at a time.
const maxFilling = 127

// checkRuns goes over the runs of the hybrid of run-length and bit-packed
// encoding and makes sure that there are n values, but for what the last packed
// run is filled up with: decoders make room for what the runs claim. Where count is
// not nil it is told each run: how often its value comes, or its packed bytes.
func checkRuns(b []byte, width, n int, count func(value uint64, times int, packed []byte)) error {
	if width > 32 {
		return corrupted("values of %d bits", width)
	}
	for total := 0; total < n; {
		head, k := binary.Uvarint(b)
		if k <= 0 {
			return corrupted("%d values, want %d", total, n)
		}
		b = b[k:]
		if head&1 == 0 {
			times, size := head>>1, (width+7)/8
			if len(b) < size {
				return errShort
			}
			if times > uint64(n-total) || times == 0 {
				return corrupted("a run of %d values where %d are left", times, n-total)
			}
			var value uint64
			for i, v := range b[:size] {
				value |= uint64(v) << (8 * i)
			}
			b = b[size:]
			if count != nil {
				count(value, int(times), nil)
			}
			total += int(times)
			continue
		}
		groups := head >> 1
		left := uint64(n-total+7) / 8
		if groups == 0 || groups > left+maxFilling {
			return corrupted("a run of %d times 8 values where %d are left", groups, n-total)
		}
		size := int(groups) * width
		times := min(int(groups)*8, n-total)
		if len(b) < size { // some writers leave out what the last run does not need
			if size = (times*width + 7) / 8; len(b) < size {
				return errShort
			}
		}
		if count != nil {
			count(0, times, b[:size])
		}
		b = b[size:]
		total += times
	}
	return nil
}

// checkLevels goes over a page's levels and counts those that are the highest.
func checkLevels(b []byte, highest, n int) (full int, err error) {
	width := bitWidth(highest)
	err = checkRuns(b, width, n, func(value uint64, times int, packed []byte) {
		if packed == nil {
			if value == uint64(highest) {
				full += times
			}
			return
		}
		for i := range times {
			v := 0
			for j := range width {
				bit := i*width + j
				v |= int(packed[bit/8]>>(bit%8)&1) << j
			}
			if v == highest {
				full++
			}
		}
	})
	return full, err
}

func bitWidth(highest int) (width int) {
	for ; highest > 0; highest >>= 1 {
		width++
	}
	return width
}

// checkEncoding holds the encoded values of a page against how many they are to
// be, before a decoder makes room for them.
func (c *chunk) checkEncoding(b []byte, encoding format.Encoding, n int) error {
	kind := format.Type(c.column.Type().Kind())
	switch {
	case indexed(encoding):
		if len(b) == 0 || n == 0 {
			if n > 0 {
				return errShort
			}
			return nil
		}
		if b[0] == 0 { // all are the first
			return nil
		}
		return checkRuns(b[1:], int(b[0]), n, nil)
	case encoding == format.RLE:
		if kind != format.Boolean {
			return corrupted("encoding %v of %v", encoding, kind)
		}
		if n == 0 {
			return nil
		}
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return errShort
		}
		return checkRuns(b[4:4+binary.LittleEndian.Uint32(b)], 1, n, nil)
	case encoding == format.DeltaBinaryPacked, encoding == format.DeltaLengthByteArray, encoding == format.DeltaByteArray:
		return checkDelta(b, n)
	case encoding == format.ByteStreamSplit:
		return nil
	case encoding == format.Plain:
		return c.checkPlain(b, kind, n)
	}
	return corrupted("encoding %v of %v", encoding, kind)
}

// checkPlain holds plain values against their number.
func (c *chunk) checkPlain(b []byte, kind format.Type, n int) error {
	size := 0
	switch kind {
	case format.Boolean:
		if len(b) < (n+7)/8 {
			return errShort
		}
		return nil
	case format.Int32, format.Float:
		size = 4
	case format.Int64, format.Double:
		size = 8
	case format.Int96:
		size = 12
	case format.FixedLenByteArray:
		size = c.column.Type().Length()
	case format.ByteArray:
		for i := range n {
			if len(b) < 4 {
				return corrupted("%d values, want %d", i, n)
			}
			size := binary.LittleEndian.Uint32(b)
			if uint64(size) > uint64(len(b)-4) {
				return errShort
			}
			b = b[4+size:]
		}
		if len(b) > 0 {
			return corrupted("%d bytes behind the last value", len(b))
		}
		return nil
	}
	if size*n != len(b) {
		return corrupted("%d bytes of values, want %d", len(b), size*n)
	}
	return nil
}

// checkDelta holds the header of delta-encoded numbers against their number.
func checkDelta(b []byte, n int) error {
	block, k := binary.Uvarint(b)
	if k <= 0 {
		if n == 0 {
			return nil
		}
		return errShort
	}
	b = b[k:]
	parts, k := binary.Uvarint(b)
	if k <= 0 {
		return errShort
	}
	b = b[k:]
	total, k := binary.Uvarint(b)
	if k <= 0 {
		return errShort
	}
	if block == 0 || block > 1<<20 || parts == 0 || parts > block || total != uint64(n) {
		return corrupted("blocks of %d in %d parts with %d values, want %d", block, parts, total, n)
	}
	return nil
}

// body is the content of a data page, decompressed.
type body struct {
	repetition, definition, values []byte
}

// open decompresses a page of either version and takes it apart.
func (c *chunk) open(p *place, b []byte) (body, error) {
	size := int(p.header.UncompressedPageSize)
	repeated, optional := c.column.MaxRepetitionLevel() > 0, c.column.MaxDefinitionLevel() > 0
	if p.header.Type == format.DataPage {
		h := &p.header.DataPageHeader.V
		b, err := c.file.decompress(c.meta.Codec, b, size)
		if err != nil {
			return body{}, err
		}
		var o body
		if repeated {
			if o.repetition, b, err = prefixed(b, h.RepetitionLevelEncoding); err != nil {
				return o, err
			}
		}
		if optional {
			if o.definition, b, err = prefixed(b, h.DefinitionLevelEncoding); err != nil {
				return o, err
			}
		}
		o.values = b
		return o, nil
	}
	h := &p.header.DataPageHeaderV2.V
	r, d := int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
	if r+d > len(b) || r+d > size {
		return body{}, corrupted("levels of %d bytes in a page of %d", r+d, min(len(b), size))
	}
	levels, values := b[:r+d], b[r+d:]
	var o body
	if h.IsCompressed.Valid && !h.IsCompressed.V || c.meta.Codec == format.Uncompressed {
		if len(b) != size {
			return o, corrupted("a page of %d bytes, want %d", len(b), size)
		}
	} else {
		var err error
		if values, err = c.file.decompress(c.meta.Codec, values, size-r-d); err != nil {
			return o, err
		}
	}
	o.repetition, o.definition, o.values = levels[:r], levels[r:], values
	return o, nil
}

// prefixed takes levels with their length before them.
func prefixed(b []byte, encoding format.Encoding) (levels, rest []byte, err error) {
	if encoding != format.RLE {
		return nil, nil, corrupted("levels in encoding %v, which is not supported", encoding)
	}
	if len(b) < 4 {
		return nil, nil, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errShort
	}
	return b[4 : 4+n], b[4+n:], nil
}

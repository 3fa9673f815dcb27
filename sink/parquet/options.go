package parquet

import (
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	defaultRowGroup = 16 << 20
	largestRowGroup = math.MaxInt32
)

// Option is a setting of a [Sink].
type Option interface{ set(*options) }

type options struct {
	rowGroup    int64
	compression compress.Codec
}

type option func(*options)

func (o option) set(s *options) { o(s) }

func settings(opts []Option) *options {
	s := &options{rowGroup: defaultRowGroup, compression: &zstd.Codec{Level: zstd.SpeedFastest}}
	for _, opt := range opts {
		if opt == nil {
			panic("penstock: parquet.Sink: an option is nil")
		}
		opt.set(s)
	}
	return s
}

// RowGroupBytes is about how many bytes of the file, compressed, a row group has,
// but for the last. It is what the sink holds in memory, beside a page of each
// column; and what a reader passes over at a time, or gives to a worker of another
// machine. The default, and what 0 means, is 16 MiB. RowGroupBytes panics if n is
// negative or 2 GiB or more.
func RowGroupBytes(n int64) Option {
	switch {
	case n < 0 || n > largestRowGroup:
		panic(fmt.Sprintf("penstock: parquet.RowGroupBytes: n is %d, want 0 to %d", n, largestRowGroup))
	case n == 0:
		n = defaultRowGroup
	}
	return option(func(s *options) { s.rowGroup = n })
}

// Codec is a way to compress pages.
type Codec uint8

// The codecs, from the largest files to the smallest.
const (
	Uncompressed Codec = iota + 1
	Snappy
	Gzip
	Zstd // at its fastest level
	Brotli
)

// Compression is how pages are compressed. The default is [Zstd]. A column's own
// tag (`parquet:"note,gzip"`) wins. Compression panics if c is none of the codecs.
func Compression(c Codec) Option {
	codecs := map[Codec]compress.Codec{
		Uncompressed: &parquet.Uncompressed, Snappy: &parquet.Snappy, Gzip: &parquet.Gzip,
		Zstd: &zstd.Codec{Level: zstd.SpeedFastest}, Brotli: &parquet.Brotli,
	}
	codec, ok := codecs[c]
	if !ok {
		panic(fmt.Sprintf("penstock: parquet.Compression: c is %d, which is no codec", c))
	}
	return option(func(s *options) { s.compression = codec })
}

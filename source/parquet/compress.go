package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// maxWindow is how far back a zstd frame may refer.
const maxWindow = 128 << 20

// newZstd makes the decoder of a run, when it is needed. It starts no goroutine,
// writes no more than there is room for, and may be used by many goroutines at
// once.
func newZstd() func() (*zstd.Decoder, error) {
	return sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxWindow))
	})
}

// decompress returns size bytes, whatever src claims to hold: less or more is an
// error, and more is never made room for.
func (f *file) decompress(codec format.CompressionCodec, src []byte, size int) ([]byte, error) {
	if codec == format.Uncompressed {
		if len(src) != size {
			return nil, corrupted("a page of %d bytes, want %d", len(src), size)
		}
		return src, nil
	}
	dst := make([]byte, size)
	n, err := f.inflate(codec, dst, src)
	if err != nil {
		return nil, fmt.Errorf("%w: %v: %w", errCorrupted, codec, err)
	}
	if n != size {
		return nil, corrupted("a page of %d bytes when decompressed, want %d", n, size)
	}
	return dst, nil
}

func (f *file) inflate(codec format.CompressionCodec, dst, src []byte) (int, error) {
	switch codec {
	case format.Zstd:
		d, err := f.zstd()
		if err != nil {
			return 0, err
		}
		out, err := d.DecodeAll(src, dst[:0])
		return len(out), err
	case format.Snappy:
		n, err := snappy.DecodedLen(src)
		if err != nil || n != len(dst) {
			return n, err
		}
		out, err := snappy.Decode(dst, src)
		return len(out), err
	case format.Gzip:
		r, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return 0, err
		}
		return readWhole(r, dst)
	case format.Brotli:
		return readWhole(brotli.NewReader(bytes.NewReader(src)), dst)
	case format.Lz4Raw:
		if len(dst) == 0 {
			return 0, nil
		}
		return lz4.UncompressBlock(src, dst)
	default:
		return 0, errors.New("this compression is not supported")
	}
}

// readWhole fills dst. It returns more than its length if r goes on.
func readWhole(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		return n, nil
	default:
		return n, err
	}
	var more [1]byte
	m, err := io.ReadFull(r, more[:])
	if err == io.EOF {
		err = nil
	}
	return n + m, err
}

package source

import (
	"fmt"

	"github.com/penstock-go/penstock/internal/codec"
)

// ErrExpands says that compressed data goes over [MaxRatio], [MaxTotal] or
// [MaxWindow].
var ErrExpands = codec.ErrLimit

// decompression is what the options say of compressed files; a zero is the
// default.
type decompression struct{ ratio, total, window int64 }

func (d decompression) limits() *codec.Limits { return codec.NewLimits(d.ratio, d.total, d.window) }

// MaxRatio is how many bytes a compressed file may become for each byte that was
// read of it, beyond its first 16 MiB. One that goes on beyond is cut off there,
// with an [Error] that names the place and wraps [ErrExpands]. The default, and
// what 0 means, is 1000: next to nothing but files made to do harm is denser.
// MaxRatio panics if ratio is negative.
func MaxRatio(ratio int64) Option {
	limit("MaxRatio", "ratio", ratio, 1)
	return option{name: "MaxRatio", fn: func(s *options) { s.unpack.ratio = ratio }}
}

// MaxTotal is how many bytes all compressed files of one run may become together.
// Where that is exceeded the stream ends as with [MaxRatio]. The default, and what
// 0 means, is 1 TiB. MaxTotal panics if bytes is negative.
func MaxTotal(bytes int64) Option {
	limit("MaxTotal", "bytes", bytes, 1)
	return option{name: "MaxTotal", fn: func(s *options) { s.unpack.total = bytes }}
}

// MaxWindow is how far back zstd data may refer, which is memory that reading it
// needs; see the zstd command's option --long. A file that asks for more ends the
// stream as with [MaxRatio]. The default, and what 0 means, is 128 MiB. MaxWindow
// panics if bytes is negative or less than 1 KiB.
func MaxWindow(bytes int64) Option {
	limit("MaxWindow", "bytes", bytes, 1<<10)
	return option{name: "MaxWindow", fn: func(s *options) { s.unpack.window = bytes }}
}

// limit checks a limit: 0, or at least least.
func limit(name, argument string, n, least int64) {
	if n < 0 || n > 0 && n < least {
		panic(fmt.Sprintf("penstock: source.%s: %s is %d, want 0 or at least %d", name, argument, n, least))
	}
}

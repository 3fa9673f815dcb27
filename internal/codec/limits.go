package codec

import (
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

// The limits that hold if nobody says otherwise.
const (
	DefaultRatio  = 1000
	DefaultTotal  = 1 << 40   // 1 TiB
	DefaultWindow = 128 << 20 // what the zstd command allows without --long
)

// freeRatio is how much a file may decompress to before its ratio matters.
const freeRatio = 16 << 20

// ErrLimit says that compressed data goes over one of the Limits.
var ErrLimit = errors.New("decompressed data over the limit")

// Limits bound what compressed data may cost, against files that are made to
// fill memory or to go on forever. One may serve several readers, one after the
// other; Total is for all of them together.
type Limits struct {
	Ratio  int64 // decompressed bytes for each compressed one, beyond the first 16 MiB of a file
	Total  int64 // decompressed bytes of all compressed files
	Window int64 // how far back a zstd frame may refer, which it costs in memory

	used int64 // of Total

	// What the reader of one file leaves to that of the next: it is large.
	small, stream *zstd.Decoder
	frames        []*frame
}

// NewLimits returns the limits; a zero is the default.
func NewLimits(ratio, total, window int64) *Limits {
	def := func(n, def int64) int64 {
		if n == 0 {
			return def
		}
		return n
	}
	return &Limits{Ratio: def(ratio, DefaultRatio), Total: def(total, DefaultTotal), Window: def(window, DefaultWindow)}
}

// charge counts n more bytes of a file that decompressed to out bytes from in.
// It returns how many of them are allowed; fewer than n with an error.
func (l *Limits) charge(n int, in, out int64) (int, error) {
	l.used += int64(n)
	if over := l.used - l.Total; over > 0 {
		return n - int(min(over, int64(n))), fmt.Errorf("%w: more than %d bytes in total (see source.MaxTotal)", ErrLimit, l.Total)
	}
	if allowed := l.allowed(in); out > allowed {
		over := min(out-allowed, int64(n))
		err := fmt.Errorf("%w: more than %d bytes for each of %d compressed ones (see source.MaxRatio)", ErrLimit, l.Ratio, in)
		return n - int(over), err
	}
	return n, nil
}

// allowed is how much in compressed bytes may become.
func (l *Limits) allowed(in int64) int64 {
	if in > 0 && l.Ratio > math.MaxInt64/in {
		return math.MaxInt64
	}
	return max(freeRatio, in*l.Ratio)
}

// named says what a decoder's complaint about its limits means.
func (l *Limits) named(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fmt.Errorf("%w: a zstd frame refers back further than %d bytes (see source.MaxWindow): %w", ErrLimit, l.Window, err)
	}
	return err
}

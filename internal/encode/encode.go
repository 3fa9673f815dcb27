// Package encode calls encoders for whoever has items: it finds out which item an
// encoder failed at, and turns panics into errors.
package encode

import (
	"errors"
	"runtime/debug"

	"github.com/penstock-go/penstock/stage"
)

var errShorter = errors.New("the encoder lost bytes that it was to append to")

// Items appends items to dst with an encoder. It returns how many were encoded; if
// one failed, dst ends before it. Careful encodes one item at a time from the
// beginning, which finds the one that fails without a second try.
func Items[T any](enc stage.Encoder[T], dst []byte, items []T, careful bool) (out []byte, n int, err error) {
	var c stage.Chunk[T]
	if !careful {
		c.Items = items
		out, err := try(enc, dst, &c)
		if err == nil {
			return out, len(items), nil
		}
		if len(items) == 1 {
			return dst, 0, err
		}
	}
	for i := range items {
		c.Items = items[i : i+1 : i+1]
		next, err := try(enc, dst, &c)
		if err != nil {
			return dst, i, err
		}
		dst = next
	}
	return dst, len(items), nil
}

func try[T any](enc stage.Encoder[T], dst []byte, c *stage.Chunk[T]) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	out, err = enc.Encode(dst, c)
	if err == nil && len(out) < len(dst) {
		err = errShorter
	}
	return out, err
}

// FormatOf is the format of an encoder's files, nil if it has none.
func FormatOf[T any](enc stage.Encoder[T]) stage.Format {
	f, _ := enc.(stage.Format)
	return f
}

package stage

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/penstock-go/penstock/internal/spill"
)

// DefaultSpillMemory is the memory that an operator which spills takes when
// SpillMemory does not say: 64 MiB.
const DefaultSpillMemory = 64 << 20

// SpillOption sets how an operator that holds more than fits into memory (Sort,
// GroupBy with Spill) uses memory and temporary files. Of several of a kind the last
// one counts.
type SpillOption interface{ applySpill(*spillConfig) }

type spillConfig struct {
	memory int64
	dir    string
	sizes  []any // func(T) int
	codecs []any // spillCodec[T]
}

type spillOption func(*spillConfig)

func (o spillOption) applySpill(c *spillConfig) { o(c) }

// SpillMemory is how many bytes of items an operator holds in memory before it writes
// them to temporary files. What it counts are the items, with their strings and slices
// as far as their type shows them (see SpillSize), and the places that they take; what
// the garbage collector has not taken back yet is beside it. 0 means
// DefaultSpillMemory. SpillMemory panics if bytes is negative.
func SpillMemory(bytes int64) SpillOption {
	if bytes < 0 {
		panic(fmt.Sprintf("penstock: stage.SpillMemory: bytes is %d, want 0 or more", bytes))
	}
	return spillOption(func(c *spillConfig) { c.memory = bytes })
}

// SpillDir is the folder for temporary files; it must exist. The default, "", is that of
// os.TempDir. Files have no name for longer than it takes to remove it where the system
// allows that (not on Windows), so that nothing is left of a process that is killed.
func SpillDir(dir string) SpillOption {
	return spillOption(func(c *spillConfig) { c.dir = dir })
}

// SpillSize says how many bytes of memory an item takes beside its Go value, for items
// of which more hangs on pointers and in maps than their type shows. T is the type of
// the operator's items, which panics otherwise. SpillSize panics if size is nil.
func SpillSize[T any](size func(T) int) SpillOption {
	notNil(size == nil, "stage.SpillSize: size")
	return spillOption(func(c *spillConfig) { c.sizes = append(c.sizes, size) })
}

type spillCodec[T any] struct {
	encode func(dst []byte, v T) ([]byte, error)
	decode func(src []byte) (T, error)
}

// SpillCodec says how items are written to temporary files, and read back by the same
// process: encode appends an item to dst, decode makes it again of exactly what encode
// appended, and may keep views of src. It is needed for types that hold interfaces,
// functions, channels or themselves; for all others there is a codec that is exact for
// fields that are not exported too: it follows pointers, and asks a type that implements
// encoding.BinaryMarshaler and BinaryUnmarshaler, such as time.Time, for its bytes. T is
// a type that the operator spills, which panics otherwise. The functions may be called by
// several goroutines at once. An error ends the stream. SpillCodec panics if one is nil.
func SpillCodec[T any](encode func(dst []byte, v T) ([]byte, error), decode func(src []byte) (T, error)) SpillOption {
	notNil(encode == nil, "stage.SpillCodec: encode")
	notNil(decode == nil, "stage.SpillCodec: decode")
	return spillOption(func(c *spillConfig) { c.codecs = append(c.codecs, spillCodec[T]{encode, decode}) })
}

// newSpillConfig takes the options of an operator.
func newSpillConfig(who string, opts []SpillOption) spillConfig {
	var c spillConfig
	for _, o := range opts {
		notNil(o == nil, who+": option")
		o.applySpill(&c)
	}
	if c.memory == 0 {
		c.memory = DefaultSpillMemory
	}
	c.memory = min(c.memory, math.MaxInt64/4)
	return c
}

// merging is how large the blocks of temporary files are, and how many files are merged at
// once, so that this takes a quarter of the memory.
func (c *spillConfig) merging() (block, fanIn int) {
	block = int(min(max(c.memory/(4*maxFanIn), minBlock), maxBlock))
	return block, int(min(max(c.memory/int64(2*block), minFanIn), maxFanIn))
}

// given reports whether one of the options is an O.
func given[O any](options []any) bool {
	return slices.ContainsFunc(options, func(o any) bool { _, ok := o.(O); return ok })
}

// codecFor is the codec of a type.
func codecFor[T any](who string, c *spillConfig) spill.Codec[T] {
	codec, err := spill.Of[T]()
	for _, o := range c.codecs {
		if own, ok := o.(spillCodec[T]); ok {
			codec.Views = true
			codec.Append = func(dst []byte, v *T) ([]byte, error) { return own.encode(dst, *v) }
			codec.Decode = func(src []byte, v *T) (err error) {
				*v, err = own.decode(src)
				return err
			}
		}
	}
	if err != nil && !given[spillCodec[T]](c.codecs) {
		panic(fmt.Sprintf("penstock: %s: no codec for %s: %v: give it a SpillCodec", who, reflect.TypeFor[T](), err))
	}
	for _, o := range c.sizes {
		if size, ok := o.(func(T) int); ok {
			codec.Size = func(v *T) int { return size(*v) }
		}
	}
	if codec.Size == nil {
		codec.Size = func(*T) int { return 0 }
	}
	return codec
}

// checkTypes panics if an option is for items of a type that the operator does not spill.
func (c *spillConfig) checkTypes(who string, ours func(option any) bool) {
	for _, o := range append(append([]any(nil), c.sizes...), c.codecs...) {
		if !ours(o) {
			panic(fmt.Sprintf("penstock: %s: a SpillSize or SpillCodec is for another type: %T", who, o))
		}
	}
}

// isFor reports whether a SpillSize or SpillCodec is for items of type T.
func isFor[T any](option any) bool {
	switch option.(type) {
	case func(T) int, spillCodec[T]:
		return true
	}
	return false
}

// Package spill holds what operators need to put items into temporary files and to
// get them back: codecs for Go values, files of checked blocks, and the arenas that
// hold the bytes of items that wait in memory.
//
// What is written is read by the process that wrote it and by no other, so the
// codecs take the values' memory as it is.
package spill

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// ErrCorrupt says that what was read back is not what was written.
var ErrCorrupt = errors.New("corrupted spill file")

// Codec turns values into bytes and back.
type Codec[T any] struct {
	// Append appends the encoded value to dst.
	Append func(dst []byte, v *T) ([]byte, error)
	// Decode sets v, which is zero, to the value that src holds, whole.
	Decode func(src []byte, v *T) error
	// Views says that what Decode makes may be views of src.
	Views bool
	// Size is how many bytes of memory a value has beside its own, as far as is known.
	Size func(v *T) int
	// Own moves the strings and bytes of a value into an arena; nil where it has none.
	Own func(v *T, a *Arena)
	// Whole says that after Own, or without, a value shares no memory with anybody.
	Whole bool
}

// Of makes a codec for a type: numbers, strings, slices, arrays, structs (with
// fields that are not exported), pointers, maps, and what implements
// encoding.BinaryMarshaler and BinaryUnmarshaler. Pointers are followed: what comes
// back is a new value. The error names what cannot be written.
func Of[T any]() (Codec[T], error) {
	t := reflect.TypeFor[T]()
	b := builder{open: map[reflect.Type]bool{}}
	k, err := b.kind(t, "")
	if err != nil {
		return Codec[T]{}, err
	}
	c := Codec[T]{
		Views: k.views,
		Whole: k.whole,
		Append: func(dst []byte, v *T) ([]byte, error) {
			return k.encode(dst, unsafe.Pointer(v))
		},
		Decode: func(src []byte, v *T) error {
			rest, err := k.decode(src, unsafe.Pointer(v))
			if err == nil && len(rest) > 0 {
				return ErrCorrupt
			}
			return err
		},
		Size: func(v *T) int { return k.size(unsafe.Pointer(v)) },
	}
	if k.own != nil {
		c.Own = func(v *T, a *Arena) { k.own(unsafe.Pointer(v), a) }
	}
	if s, ok := any(&c).(*Codec[string]); ok {
		*s = ofString()
	}
	return c, nil
}

// ofString is the codec of the most common type, without the indirections.
func ofString() Codec[string] {
	return Codec[string]{
		Views:  true,
		Whole:  true,
		Append: func(dst []byte, v *string) ([]byte, error) { return append(dst, *v...), nil },
		Decode: func(src []byte, v *string) error {
			*v = unsafe.String(unsafe.SliceData(src), len(src))
			return nil
		},
		Size: func(v *string) int { return len(*v) },
		Own:  func(v *string, a *Arena) { *v = a.String(*v) },
	}
}

// kind is how values of a type are written. The pointers are to the value.
type kind struct {
	pod    uintptr // its size if it is plain memory
	views  bool
	whole  bool
	encode func(dst []byte, p unsafe.Pointer) ([]byte, error)
	decode func(src []byte, p unsafe.Pointer) (rest []byte, err error)
	size   func(p unsafe.Pointer) int
	own    func(p unsafe.Pointer, a *Arena)
}

type builder struct{ open map[reflect.Type]bool }

func none(unsafe.Pointer) int { return 0 }

func (b *builder) kind(t reflect.Type, path string) (*kind, error) {
	if b.open[t] {
		return nil, fmt.Errorf("%s contains itself%s", t, at(path))
	}
	b.open[t] = true
	defer delete(b.open, t)
	if Marshals(t) {
		return marshaler(t), nil
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return plain(t.Size()), nil
	case reflect.String:
		return stringKind(), nil
	case reflect.Slice:
		elem, err := b.kind(t.Elem(), path+"[]")
		if err != nil {
			return nil, err
		}
		if elem.pod == 1 {
			return bytesKind(), nil
		}
		return slice(t, elem), nil
	case reflect.Array:
		elem, err := b.kind(t.Elem(), path+"[]")
		if err != nil {
			return nil, err
		}
		parts := make([]part, t.Len())
		for i := range parts {
			parts[i] = part{elem, uintptr(i) * t.Elem().Size()}
		}
		return compound(t, parts), nil
	case reflect.Struct:
		parts := make([]part, 0, t.NumField())
		for f := range t.Fields() {
			k, err := b.kind(f.Type, path+"."+f.Name)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{k, f.Offset})
		}
		return compound(t, parts), nil
	case reflect.Pointer:
		elem, err := b.kind(t.Elem(), path)
		if err != nil {
			return nil, err
		}
		return pointer(t, elem), nil
	case reflect.Map:
		key, err := b.kind(t.Key(), path+"[key]")
		if err != nil {
			return nil, err
		}
		value, err := b.kind(t.Elem(), path+"[]")
		if err != nil {
			return nil, err
		}
		return mapping(t, key, value), nil
	default:
		return nil, fmt.Errorf("%s cannot be written to a file%s", t, at(path))
	}
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " (" + path + ")"
}

// plain is memory without pointers.
func plain(size uintptr) *kind {
	return &kind{
		pod:   size,
		whole: true,
		encode: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return append(dst, unsafe.Slice((*byte)(p), size)...), nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			if uintptr(len(src)) < size {
				return nil, ErrCorrupt
			}
			copy(unsafe.Slice((*byte)(p), size), src)
			return src[size:], nil
		},
		size: none,
	}
}

func stringKind() *kind {
	return &kind{
		views: true,
		whole: true,
		encode: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			s := *(*string)(p)
			return append(binary.AppendUvarint(dst, uint64(len(s))), s...), nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			n, src, err := length(src)
			if err != nil || n > uint64(len(src)) {
				return nil, ErrCorrupt
			}
			*(*string)(p) = unsafe.String(unsafe.SliceData(src), int(n))
			return src[n:], nil
		},
		size: func(p unsafe.Pointer) int { return len(*(*string)(p)) },
		own:  func(p unsafe.Pointer, a *Arena) { *(*string)(p) = a.String(*(*string)(p)) },
	}
}

// bytesKind is a slice of bytes. A length of 0 is written for nil, one more for others.
func bytesKind() *kind {
	return &kind{
		views: true,
		whole: true,
		encode: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			b := *(*[]byte)(p)
			if b == nil {
				return append(dst, 0), nil
			}
			return append(binary.AppendUvarint(dst, uint64(len(b))+1), b...), nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			n, src, err := length(src)
			if err != nil || n == 0 {
				return src, err
			}
			if n--; n > uint64(len(src)) {
				return nil, ErrCorrupt
			}
			*(*[]byte)(p) = src[:n:n]
			return src[n:], nil
		},
		size: func(p unsafe.Pointer) int { return len(*(*[]byte)(p)) },
		own: func(p unsafe.Pointer, a *Arena) {
			if b := *(*[]byte)(p); b != nil {
				*(*[]byte)(p) = a.Bytes(b)
			}
		},
	}
}

// length reads a count.
func length(src []byte) (n uint64, rest []byte, err error) {
	n, w := binary.Uvarint(src)
	if w <= 0 {
		return 0, nil, ErrCorrupt
	}
	return n, src[w:], nil
}

// Marshals reports whether values of a type write themselves.
func Marshals(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) && p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
}

package spill

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"
)

// part is a field of a struct or an element of an array.
type part struct {
	*kind
	offset uintptr
}

// compound is a struct or an array. Neighbours that are plain memory are one.
func compound(t reflect.Type, parts []part) *kind {
	joined := make([]part, 0, len(parts))
	podOnly, views, whole, owns := true, false, true, false
	for _, p := range parts {
		podOnly = podOnly && p.pod > 0
		views = views || p.views
		whole = whole && p.whole
		owns = owns || p.own != nil
		if n := len(joined); n > 0 && p.pod > 0 && joined[n-1].pod > 0 {
			last := &joined[n-1]
			last.kind = plain(p.offset + p.pod - last.offset)
			continue
		}
		joined = append(joined, p)
	}
	if podOnly && t.Size() > 0 {
		return plain(t.Size())
	}
	k := &kind{
		views: views,
		whole: whole,
		encode: func(dst []byte, p unsafe.Pointer) (_ []byte, err error) {
			for _, f := range joined {
				if dst, err = f.encode(dst, unsafe.Add(p, f.offset)); err != nil {
					return dst, err
				}
			}
			return dst, nil
		},
		decode: func(src []byte, p unsafe.Pointer) (_ []byte, err error) {
			for _, f := range joined {
				if src, err = f.decode(src, unsafe.Add(p, f.offset)); err != nil {
					return nil, err
				}
			}
			return src, nil
		},
		size: func(p unsafe.Pointer) int {
			n := 0
			for _, f := range joined {
				n += f.size(unsafe.Add(p, f.offset))
			}
			return n
		},
	}
	if owns {
		k.own = func(p unsafe.Pointer, a *Arena) {
			for _, f := range joined {
				if f.own != nil {
					f.own(unsafe.Add(p, f.offset), a)
				}
			}
		}
	}
	return k
}

// slice is a slice of other things than bytes.
func slice(t reflect.Type, elem *kind) *kind {
	step := t.Elem().Size()
	return &kind{
		views: elem.views,
		encode: func(dst []byte, p unsafe.Pointer) (_ []byte, err error) {
			v := reflect.NewAt(t, p).Elem()
			if v.IsNil() {
				return append(dst, 0), nil
			}
			n := v.Len()
			dst = binary.AppendUvarint(dst, uint64(n)+1)
			base := v.UnsafePointer()
			for i := range n {
				if dst, err = elem.encode(dst, unsafe.Add(base, uintptr(i)*step)); err != nil {
					return dst, err
				}
			}
			return dst, nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			u, src, err := length(src)
			if err != nil || u == 0 {
				return src, err
			}
			n := int(u - 1)
			if elem.pod > 0 && uint64(n) > uint64(len(src))/uint64(elem.pod) {
				return nil, ErrCorrupt
			}
			v := reflect.MakeSlice(t, n, n)
			base := v.UnsafePointer()
			for i := range n {
				if src, err = elem.decode(src, unsafe.Add(base, uintptr(i)*step)); err != nil {
					return nil, err
				}
			}
			reflect.NewAt(t, p).Elem().Set(v)
			return src, nil
		},
		size: func(p unsafe.Pointer) int {
			v := reflect.NewAt(t, p).Elem()
			n := v.Len()
			size := n * int(step)
			if elem.pod > 0 {
				return size
			}
			base := v.UnsafePointer()
			for i := range n {
				size += elem.size(unsafe.Add(base, uintptr(i)*step))
			}
			return size
		},
	}
}

// pointer is nil or what it points to, which comes back as a new value.
func pointer(t reflect.Type, elem *kind) *kind {
	return &kind{
		views: elem.views,
		encode: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			to := *(*unsafe.Pointer)(p)
			if to == nil {
				return append(dst, 0), nil
			}
			return elem.encode(append(dst, 1), to)
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			there, src, err := length(src)
			if err != nil || there == 0 {
				return src, err
			}
			v := reflect.New(t.Elem())
			*(*unsafe.Pointer)(p) = v.UnsafePointer()
			return elem.decode(src, v.UnsafePointer())
		},
		size: func(p unsafe.Pointer) int {
			to := *(*unsafe.Pointer)(p)
			if to == nil {
				return 0
			}
			return int(t.Elem().Size()) + elem.size(to)
		},
	}
}

// mapping is a map.
func mapping(t reflect.Type, key, value *kind) *kind {
	return &kind{
		views: key.views || value.views,
		encode: func(dst []byte, p unsafe.Pointer) (_ []byte, err error) {
			m := reflect.NewAt(t, p).Elem()
			if m.IsNil() {
				return append(dst, 0), nil
			}
			dst = binary.AppendUvarint(dst, uint64(m.Len())+1)
			k, v := reflect.New(t.Key()), reflect.New(t.Elem())
			for it := m.MapRange(); it.Next(); {
				k.Elem().SetIterKey(it)
				v.Elem().SetIterValue(it)
				if dst, err = key.encode(dst, k.UnsafePointer()); err != nil {
					return dst, err
				}
				if dst, err = value.encode(dst, v.UnsafePointer()); err != nil {
					return dst, err
				}
			}
			return dst, nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			n, src, err := length(src)
			if err != nil || n == 0 {
				return src, err
			}
			m := reflect.MakeMap(t)
			for range n - 1 {
				k, v := reflect.New(t.Key()), reflect.New(t.Elem())
				if src, err = key.decode(src, k.UnsafePointer()); err != nil {
					return nil, err
				}
				if src, err = value.decode(src, v.UnsafePointer()); err != nil {
					return nil, err
				}
				m.SetMapIndex(k.Elem(), v.Elem())
			}
			reflect.NewAt(t, p).Elem().Set(m)
			return src, nil
		},
		size: func(p unsafe.Pointer) int {
			m := reflect.NewAt(t, p).Elem()
			// The entries and the table that holds them; what hangs on them is not followed.
			return m.Len() * 2 * int(t.Key().Size()+t.Elem().Size()+8)
		},
	}
}

// marshaler is a type that writes itself.
func marshaler(t reflect.Type) *kind {
	return &kind{
		views: true,
		encode: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			m, _ := reflect.TypeAssert[encoding.BinaryMarshaler](reflect.NewAt(t, p))
			b, err := m.MarshalBinary()
			if err != nil {
				return dst, fmt.Errorf("%s: %w", t, err)
			}
			return append(binary.AppendUvarint(dst, uint64(len(b))), b...), nil
		},
		decode: func(src []byte, p unsafe.Pointer) ([]byte, error) {
			n, src, err := length(src)
			if err != nil || n > uint64(len(src)) {
				return nil, ErrCorrupt
			}
			u, _ := reflect.TypeAssert[encoding.BinaryUnmarshaler](reflect.NewAt(t, p))
			if err := u.UnmarshalBinary(src[:n:n]); err != nil {
				return nil, fmt.Errorf("%s: %w", t, err)
			}
			return src[n:], nil
		},
		size: none,
	}
}

package parquet

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// setter puts the values of n rows of a page, beginning with row from of it, into
// a field of n items: the first is at dst, each further one stride bytes on. The
// items are zero before. What it puts there is memory of its own.
type setter func(dst unsafe.Pointer, stride uintptr, p *page, from, n int)

type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uint | ~float32 | ~float64
}

// setterOf finds the setter for a field of type t and a column, nil if there is
// none.
func setterOf(t reflect.Type, leaf *parquet.Column) setter {
	if t.Kind() == reflect.Pointer {
		return leafSetter(t.Elem(), leaf, true)
	}
	return leafSetter(t, leaf, false)
}

func leafSetter(t reflect.Type, leaf *parquet.Column, pointer bool) setter {
	var logical any
	if l := leaf.Type().LogicalType(); l != nil {
		logical = l.Value
	}
	switch logical.(type) {
	case *format.DecimalType, *format.UUIDType, *format.BsonType, *format.Float16Type, *format.TimeType:
		return nil
	}
	unsigned := false
	if i, ok := logical.(*format.IntType); ok {
		unsigned = !i.IsSigned
	}
	if t == reflect.TypeFor[time.Time]() {
		return timeSetter(leaf, logical, pointer)
	}
	if t.PkgPath() == "time" {
		return nil
	}
	switch leaf.Type().Kind() {
	case parquet.Boolean:
		if t.Kind() == reflect.Bool {
			return set(booleans, func(v bool) bool { return v }, pointer)
		}
	case parquet.Int32:
		return int32Setter(t, unsigned, pointer)
	case parquet.Int64:
		return int64Setter(t, unsigned, pointer)
	case parquet.Float:
		switch t.Kind() {
		case reflect.Float32:
			return convert[float32, float32](func(v *values) []float32 { return v.floats }, pointer)
		case reflect.Float64:
			return convert[float32, float64](func(v *values) []float32 { return v.floats }, pointer)
		default:
		}
	case parquet.Double:
		if t.Kind() == reflect.Float64 {
			return convert[float64, float64](func(v *values) []float64 { return v.doubles }, pointer)
		}
	case parquet.ByteArray:
		switch {
		case t.Kind() == reflect.String:
			return set(texts, func(s string) string { return s }, pointer)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
			// A copy each: the user may write into it.
			return set(texts, func(s string) []byte { return []byte(s) }, pointer)
		}
	default:
	}
	return nil
}

func int32s(v *values) []int32 { return v.int32s }
func int64s(v *values) []int64 { return v.int64s }

// int32Setter is for numbers of up to 32 bits. Those of fewer bits are kept in 32
// as well, and only the column's own type says that they fit.
func int32Setter(t reflect.Type, unsigned, pointer bool) setter {
	if unsigned {
		switch t.Kind() {
		case reflect.Uint32:
			return convert[uint32, uint32](uint32s, pointer)
		case reflect.Uint64:
			return convert[uint32, uint64](uint32s, pointer)
		case reflect.Int64:
			return convert[uint32, int64](uint32s, pointer)
		default:
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Int32:
		return convert[int32, int32](int32s, pointer)
	case reflect.Int64:
		return convert[int32, int64](int32s, pointer)
	case reflect.Int:
		return convert[int32, int](int32s, pointer)
	default:
		return nil
	}
}

func uint32s(v *values) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(v.int32s))), len(v.int32s))
}

func uint64s(v *values) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(v.int64s))), len(v.int64s))
}

func int64Setter(t reflect.Type, unsigned, pointer bool) setter {
	if unsigned {
		switch t.Kind() {
		case reflect.Uint64:
			return convert[uint64, uint64](uint64s, pointer)
		case reflect.Uint:
			if t.Size() == 8 {
				return convert[uint64, uint](uint64s, pointer)
			}
		default:
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Int64:
		return convert[int64, int64](int64s, pointer)
	case reflect.Int:
		if t.Size() == 8 {
			return convert[int64, int](int64s, pointer)
		}
	default:
	}
	return nil
}

// timeSetter is for timestamps of any unit, and dates.
func timeSetter(leaf *parquet.Column, logical any, pointer bool) setter {
	switch l := logical.(type) {
	case *format.DateType:
		if leaf.Type().Kind() == parquet.Int32 {
			return set(plain(int32s), func(v int32) time.Time { return time.Unix(int64(v)*24*60*60, 0).UTC() }, pointer)
		}
	case *format.TimestampType:
		if leaf.Type().Kind() != parquet.Int64 {
			return nil
		}
		switch l.Unit.Value.(type) {
		case *format.MilliSeconds:
			return set(plain(int64s), func(v int64) time.Time { return time.UnixMilli(v).UTC() }, pointer)
		case *format.MicroSeconds:
			return set(plain(int64s), func(v int64) time.Time { return time.UnixMicro(v).UTC() }, pointer)
		case *format.NanoSeconds:
			return set(plain(int64s), func(v int64) time.Time { return time.Unix(0, v).UTC() }, pointer)
		}
	}
	return nil
}

// getter returns the values between two of a page's, as a slice of the page's own
// memory or of buf.
type getter[S any] func(v *values, from, to int, buf []S) []S

func plain[S any](all func(*values) []S) getter[S] {
	return func(v *values, from, to int, _ []S) []S { return all(v)[from:to] }
}

func booleans(v *values, from, to int, buf []bool) []bool {
	buf = buf[:0]
	for i := from; i < to; i++ {
		buf = append(buf, v.bits[i/8]>>(i%8)&1 != 0)
	}
	return buf
}

// texts returns strings that share one allocation, which is not the page's.
func texts(v *values, from, to int, buf []string) []string {
	if v.texts != nil {
		return v.texts[from:to]
	}
	base := v.offsets[from]
	all := string(v.bytes[base:v.offsets[to]])
	buf = buf[:0]
	for i := from; i < to; i++ {
		buf = append(buf, all[v.offsets[i]-base:v.offsets[i+1]-base])
	}
	return buf
}

func convert[S, F number](all func(*values) []S, pointer bool) setter {
	if pointer {
		return set(plain(all), func(v S) F { return F(v) }, true)
	}
	// The same as set, with the conversion in its loops rather than called.
	return func(dst unsafe.Pointer, stride uintptr, p *page, from, n int) {
		a, b := p.valuesBefore(from), p.valuesBefore(from+n)
		s := all(p.values)
		switch {
		case p.present == nil && p.indexes == nil:
			for i, v := range s[a:b] {
				*(*F)(unsafe.Add(dst, uintptr(i)*stride)) = F(v)
			}
		case p.present == nil:
			for i, v := range p.indexes[a:b] {
				*(*F)(unsafe.Add(dst, uintptr(i)*stride)) = F(s[v])
			}
		default:
			for i, has := range p.present[from : from+n] {
				if has == 0 {
					continue
				}
				at := a
				if p.indexes != nil {
					at = int(p.indexes[a])
				}
				*(*F)(unsafe.Add(dst, uintptr(i)*stride)) = F(s[at])
				a++
			}
		}
	}
}

// set makes a setter of a getter and a conversion. Fields that are pointers share
// an allocation.
func set[S, F any](get getter[S], conv func(S) F, pointer bool) setter {
	var unused sync.Pool // of *[]S
	return func(dst unsafe.Pointer, stride uintptr, p *page, from, n int) {
		a, b := p.valuesBefore(from), p.valuesBefore(from+n)
		buf, ok := unused.Get().(*[]S)
		if !ok {
			buf = new([]S)
		}
		var s []S
		if p.indexes == nil {
			if cap(*buf) < b-a {
				*buf = make([]S, 0, b-a)
			}
			s = get(p.values, a, b, *buf)
		} else {
			s = get(p.values, 0, p.values.n, *buf)
		}
		var fields []F
		if pointer {
			fields = make([]F, b-a)
		}
		k := 0
		for i := range n {
			if p.present != nil && p.present[from+i] == 0 {
				continue
			}
			at := k
			if p.indexes != nil {
				at = int(p.indexes[a+k])
			}
			field := unsafe.Add(dst, uintptr(i)*stride)
			if pointer {
				fields[k] = conv(s[at])
				*(**F)(field) = &fields[k]
			} else {
				*(*F)(field) = conv(s[at])
			}
			k++
		}
		clear((*buf)[:cap(*buf)]) // strings keep their memory alive
		unused.Put(buf)
	}
}

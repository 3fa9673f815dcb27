package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Comparable is what a column can be compared with: whole numbers, fractions,
// text and, for timestamps and dates, times.
type Comparable interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~float32 | ~float64 | ~string | time.Time
}

// Between passes over row groups and pages that hold no row whose value of the
// column is from low to high, both included, going by the smallest and largest
// values that the file notes for them. Rows in between are not looked at: what
// comes still has rows outside of the range, and is to be filtered as well:
//
//	parquet.Source[Flight]("flights-*.parquet", parquet.Between("delay", 60, math.MaxInt)).
//		Filter(func(f Flight) bool { return f.Delay >= 60 })
//
// A null is in no range. Column is a name, or names joined by dots; T need not
// have it. Several ranges must all hold. Where a file notes no values, or the
// column is repeated, nothing is passed over. A column that a file does not have,
// or that cannot be compared with such a value, is an [Error] at that file.
// Between panics if the column is empty, or if low or high is not a number (NaN).
func Between[V Comparable](column string, low, high V) Option {
	return ranged(column, bound("Between", "low", low), bound("Between", "high", high), "Between")
}

// AtLeast is [Between] without an upper end.
func AtLeast[V Comparable](column string, low V) Option {
	return ranged(column, bound("AtLeast", "low", low), nil, "AtLeast")
}

// AtMost is [Between] without a lower end.
func AtMost[V Comparable](column string, high V) Option {
	return ranged(column, nil, bound("AtMost", "high", high), "AtMost")
}

func ranged(column string, low, high any, verb string) Option {
	if column == "" {
		panic("penstock: parquet." + verb + ": column is empty")
	}
	return option(func(s *options) { s.ranges = append(s.ranges, between{column: column, low: low, high: high}) })
}

// between is a range of an int64, float64, string or time.Time; nil is no end.
type between struct {
	column    string
	low, high any
}

func (r between) String() string {
	text := r.column
	if r.low != nil {
		text = fmt.Sprintf("%v <= %s", r.low, text)
	}
	if r.high != nil {
		text = fmt.Sprintf("%s <= %v", text, r.high)
	}
	return text
}

// bound widens a value to one of the types of between.
func bound(verb, name string, v any) any {
	switch v := v.(type) {
	case time.Time:
		return v
	default:
		return widened(verb, name, v)
	}
}

// leaf finds the range's column in a file.
func (r between) leaf(o *file) (int, error) {
	for i, leaf := range o.leaves {
		if dotted(leaf.Path()) != r.column {
			continue
		}
		if compareWith(leaf, r.low) == nil || compareWith(leaf, r.high) == nil {
			return 0, &columnError{r.column, fmt.Errorf("%v cannot be compared with %s", leaf.Type(), r)}
		}
		return i, nil
	}
	return 0, fmt.Errorf("missing column %q", r.column)
}

// comparer compares a value as the file's statistics have it with an end of a
// range; ok is false if the value makes no sense.
type comparer func(stat []byte) (order int, ok bool)

// compareWith finds how to compare a column with a value, nil if it cannot be.
func compareWith(leaf *parquet.Column, value any) comparer {
	var logical any
	if l := leaf.Type().LogicalType(); l != nil {
		logical = l.Value
	}
	kind := leaf.Type().Kind()
	switch v := value.(type) {
	case nil:
		return func([]byte) (int, bool) { return 0, true }
	case string:
		if _, decimal := logical.(*format.DecimalType); kind == parquet.ByteArray && !decimal {
			return func(b []byte) (int, bool) { return bytes.Compare(b, []byte(v)), true }
		}
	case int64:
		return compareInt(kind, logical, v)
	case float64:
		return compareFloat(kind, v)
	case time.Time:
		return compareTime(kind, logical, v)
	}
	return nil
}

func compareInt(kind parquet.Kind, logical any, v int64) comparer {
	switch l := logical.(type) {
	case nil, *format.TimestampType, *format.DateType, *format.TimeType:
	case *format.IntType:
		if !l.IsSigned {
			return unsigned(kind, v)
		}
	default:
		return nil // a decimal counts in other units
	}
	switch kind {
	case parquet.Int32:
		return func(b []byte) (int, bool) {
			return sized(b, 4, func() int { return cmp.Compare(int64(int32(binary.LittleEndian.Uint32(b))), v) })
		}
	case parquet.Int64:
		return func(b []byte) (int, bool) {
			return sized(b, 8, func() int { return cmp.Compare(int64(binary.LittleEndian.Uint64(b)), v) })
		}
	case parquet.Float, parquet.Double:
		if v > -1<<53 && v < 1<<53 {
			return compareFloat(kind, float64(v))
		}
	default:
	}
	return nil
}

func unsigned(kind parquet.Kind, v int64) comparer {
	low := uint64(max(0, v))
	order := func(stat uint64) int {
		if v < 0 {
			return 1
		}
		return cmp.Compare(stat, low)
	}
	switch kind {
	case parquet.Int32:
		return func(b []byte) (int, bool) {
			return sized(b, 4, func() int { return order(uint64(binary.LittleEndian.Uint32(b))) })
		}
	case parquet.Int64:
		return func(b []byte) (int, bool) {
			return sized(b, 8, func() int { return order(binary.LittleEndian.Uint64(b)) })
		}
	default:
		return nil
	}
}

func sized(b []byte, n int, order func() int) (int, bool) {
	if len(b) != n {
		return 0, false
	}
	return order(), true
}

// compareFloat compares fractions. Files should not, but some do, have NaN among
// their smallest and largest values, which then say nothing.
func compareFloat(kind parquet.Kind, v float64) comparer {
	var size int
	var read func([]byte) float64
	switch kind {
	case parquet.Float:
		size, read = 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
	case parquet.Double:
		size, read = 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	default:
		return nil
	}
	return func(b []byte) (int, bool) {
		if len(b) != size {
			return 0, false
		}
		stat := read(b)
		switch {
		case math.IsNaN(stat):
			return 0, false
		case stat < v:
			return -1, true
		case stat > v:
			return 1, true
		}
		return 0, true // also zeros of either sign
	}
}

// compareTime compares timestamps and dates with a time. A file's values are cut
// to their unit, so a time within the unit of a value is equal to it.
func compareTime(kind parquet.Kind, logical any, v time.Time) comparer {
	switch l := logical.(type) {
	case *format.DateType:
		if kind == parquet.Int32 {
			days := math.Floor(float64(v.Unix()) / (24 * 60 * 60))
			return compareInt(kind, nil, int64(days))
		}
	case *format.TimestampType:
		if kind != parquet.Int64 {
			return nil
		}
		switch l.Unit.Value.(type) {
		case *format.MilliSeconds:
			return compareInt(kind, nil, v.UnixMilli())
		case *format.MicroSeconds:
			return compareInt(kind, nil, v.UnixMicro())
		case *format.NanoSeconds:
			if nanoTime(v) {
				return compareInt(kind, nil, v.UnixNano())
			}
			order := -1 // before or behind all that 64 bits of nanoseconds can tell
			if v.Year() < 1970 {
				order = 1
			}
			return func([]byte) (int, bool) { return order, true }
		}
	}
	return nil
}

// nanoTime tells whether a time fits 64 bits of nanoseconds.
func nanoTime(v time.Time) bool {
	return !v.Before(time.Unix(0, math.MinInt64)) && !v.After(time.Unix(0, math.MaxInt64))
}

// excludes tells whether the range has no value from least to most.
func (r between) excludes(leaf *parquet.Column, least, most []byte) bool {
	if r.low != nil {
		if order, ok := compareWith(leaf, r.low)(most); ok && order < 0 {
			return true
		}
	}
	if r.high != nil {
		if order, ok := compareWith(leaf, r.high)(least); ok && order > 0 {
			return true
		}
	}
	return false
}

// dotted joins the names of a column's path.
func dotted(path []string) string { return strings.Join(path, ".") }

// span is a range of rows of a row group.
type span struct{ from, to int64 }

// matching are the rows of a row group that the ranges do not exclude.
func (o *file) matching(group int) ([]span, error) {
	rows := o.meta.RowGroups[group].NumRows
	if rows == 0 {
		return nil, nil
	}
	spans := []span{{0, rows}}
	for _, r := range o.opts.ranges {
		i, err := r.leaf(o)
		if err != nil {
			return nil, err
		}
		leaf, column := o.leaves[i], &o.meta.RowGroups[group].Columns[i]
		if leaf.MaxRepetitionLevel() > 0 {
			continue
		}
		stats := &column.MetaData.Statistics
		if len(stats.MinValue) > 0 && len(stats.MaxValue) > 0 && r.excludes(leaf, stats.MinValue, stats.MaxValue) {
			return nil, nil
		}
		excluded, err := o.excluded(r, group, i)
		if err != nil {
			return nil, &columnError{r.column, err}
		}
		for _, e := range excluded {
			spans = without(spans, e)
		}
	}
	return spans, nil
}

// excluded are the rows of the pages that a range excludes, where the file has an
// index of them.
func (o *file) excluded(r between, group, column int) (out []span, err error) {
	c := &o.meta.RowGroups[group].Columns[column]
	offset, length := c.ColumnIndexOffset, int64(c.ColumnIndexLength)
	if offset <= 0 || length <= 0 || offset > o.end || length > o.end-offset {
		return nil, nil
	}
	b := make([]byte, length)
	if err := readAt(o.f, b, offset); err != nil {
		return nil, err
	}
	var index format.ColumnIndex
	n, err := thriftStructSize(b)
	if err == nil {
		err = safely(func() error { return unmarshal(b[:n], &index) })
	}
	if err != nil {
		return nil, fmt.Errorf("index of its pages: %w", err)
	}
	layout, err := o.chunk(group, column).locate()
	if err != nil {
		return nil, err
	}
	pages := layout.pages
	if len(index.NullPages) != len(pages) || len(index.MinValues) != len(pages) || len(index.MaxValues) != len(pages) {
		return nil, corrupted("an index of %d pages, want %d", len(index.NullPages), len(pages))
	}
	for i, p := range pages {
		if index.NullPages[i] || r.excludes(o.leaves[column], index.MinValues[i], index.MaxValues[i]) {
			out = append(out, span{p.first, p.first + p.rows})
		}
	}
	return out, nil
}

// without takes rows out of spans.
func without(spans []span, e span) (out []span) {
	for _, s := range spans {
		if before := (span{s.from, min(s.to, e.from)}); before.from < before.to {
			out = append(out, before)
		}
		if behind := (span{max(s.from, e.to), s.to}); behind.from < behind.to {
			out = append(out, behind)
		}
	}
	return out
}

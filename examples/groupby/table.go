package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// group is the rows that have the same key.
type group struct {
	key     string
	rows    int64
	missing int64   // rows without a value
	sum     int64   // of the whole numbers
	rest    float64 // of the others, and of what sum could not hold
}

// mean is the mean of the values; ok is false if there are none.
func (g *group) mean() (mean float64, ok bool) {
	n := g.rows - g.missing
	if n == 0 {
		return math.NaN(), false
	}
	return (float64(g.sum) + g.rest) / float64(n), true
}

// add adds a whole number. Sums of those are exact, whatever the workers' order,
// up to 64 bits.
func (g *group) add(n int64) {
	sum := g.sum + n
	if (g.sum^sum)&(n^sum) < 0 { // both have the sign that the sum lacks
		g.rest += float64(g.sum)
		sum = n
	}
	g.sum = sum
}

// table is what a worker has found: pointers, so that a row of a known group
// costs one look-up and no allocation.
type table struct {
	groups  map[string]*group
	rows    int64 // all of them
	skipped int64
	first   error          // what is wrong with the first of the skipped rows
	firstAt stage.Position // where that is
	bytes   map[int32]int64
}

func newTable() *table {
	return &table{groups: map[string]*group{}, bytes: map[int32]int64{}}
}

// add adds a row: its key is field 0, its value field 1. A row that it returns an
// error for is in no group.
func (t *table) add(r source.Record) error {
	value := r.At(1)
	n, ok := whole(value)
	var f float64
	if !ok && value != "" {
		var err error
		if n, f, err = number(value); err != nil {
			return err
		}
		ok = true
	}
	g := t.groups[r.At(0)]
	if g == nil {
		key := strings.Clone(r.At(0)) // the row's memory is used again
		g = &group{key: key}
		t.groups[key] = g
	}
	g.rows++
	if !ok {
		g.missing++
		return nil
	}
	g.add(n)
	g.rest += f
	return nil
}

// skip counts a row that is in no group, and keeps why if it is the first.
func (t *table) skip(r source.Record, why error) {
	at := r.Position()
	if t.skipped == 0 || before(at, t.firstAt) {
		t.first = fmt.Errorf("%s: record %d, byte %d: %w", at.Key, at.Record+1, at.Offset, why)
		t.firstAt = at
	}
	t.skipped++
}

func before(a, b stage.Position) bool {
	return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Record, b.Record)) < 0
}

// sampling is how many rows there are between two looks at how far the files are
// read: the look costs more than the row.
const sampling = 256

// sample notes how far into its file a row is.
func (t *table) sample(r source.Record) {
	at := r.Position()
	t.bytes[at.Part] = max(t.bytes[at.Part], at.Offset)
}

// merge adds the rows of another table.
func (t *table) merge(u *table) (*table, error) {
	for key, more := range u.groups {
		g := t.groups[key]
		if g == nil {
			t.groups[key] = more
			continue
		}
		g.rows += more.rows
		g.missing += more.missing
		g.add(more.sum)
		g.rest += more.rest
	}
	for part, n := range u.bytes {
		t.bytes[part] = max(t.bytes[part], n)
	}
	if u.skipped > 0 && (t.skipped == 0 || before(u.firstAt, t.firstAt)) {
		t.first, t.firstAt = u.first, u.firstAt
	}
	t.rows += u.rows
	t.skipped += u.skipped
	return t, nil
}

package stage

import (
	"cmp"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMergeSortedAsSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(0, 6).Draw(t, "streams")
		var want []sortable
		var in []Stream[sortable]
		records, failures := 0, 0
		for stream := range k {
			keys := rapid.SliceOfN(rapid.IntRange(0, 20), 0, 40).Draw(t, "keys")
			slices.Sort(keys)
			s := &script{cuts: append(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "cuts"), 5), part: int32(stream)}
			for i, key := range keys {
				records++
				if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
					failures++
					s.events = append(s.events, event{err: errBad})
					continue
				}
				s.events = append(s.events, event{item: key*1000 + i})
				want = append(want, sortable{key: key, seq: i, text: string(rune('a' + stream))})
			}
			in = append(in, Map(s.stream(), Pure(func(v int) sortable {
				return sortable{key: v / 1000, seq: v % 1000, text: string(rune('a' + stream))}
			})))
		}
		slices.SortStableFunc(want, byKey)
		p, done := watched(t, MergeSorted(byKey, in...))
		got, errs, tokens, err := pullAll(t, p, rapid.SliceOfN(rapid.IntRange(0, 9), 1, 4).Draw(t, "limits"),
			func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 })
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures)
		assert.EqualValues(t, records, tokens)
		done()
	})
}

func TestMergeSortedEnds(t *testing.T) {
	requirePanics(t, "penstock: stage.MergeSorted: cmp is nil", func() { MergeSorted[int](nil) })
	bad := items(1, 3)
	bad.end = errBad
	good := upTo(10)
	got, errs := []int{}, []error{}
	for v, err := range MergeSorted(cmp.Compare[int], good.stream(), bad.stream()).All(context.Background()) {
		if err != nil {
			errs = append(errs, err)
		} else {
			got = append(got, v)
		}
	}
	assert.Equal(t, []int{0, 1, 1, 2, 3, 3}, got)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], errBad)
	assert.Equal(t, []int{1, 1}, []int{good.mu.closes, bad.mu.closes})

	_, err := MergeSorted(func(_, b int) int {
		if b == 5 {
			panic(errBad)
		}
		return 1
	}, ints(10), ints(10)).Collect(context.Background())
	assert.ErrorIs(t, err, errBad)

	a, b := upTo(10), upTo(10)
	for _, err := range MergeSorted(cmp.Compare[int], a.stream(), b.stream()).All(context.Background()) {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, []int{1, 1}, []int{a.mu.closes, b.mu.closes})
}

package stage

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestTopKAsSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &script{cuts: append(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "cuts"), 5)}
		var want []sortable
		failures, panics := 0, 0
		n := 0
		keys := rapid.SliceOfN(rapid.IntRange(0, 20), 0, 60).Draw(t, "keys")
		k := rapid.IntRange(0, 12).Draw(t, "k")
		for _, key := range keys {
			if key == 20 {
				failures++
				s.events = append(s.events, event{err: errBad})
				continue
			}
			s.events = append(s.events, event{item: key})
			if key == 19 && n > 0 && k > 0 {
				panics++
			} else {
				want = append(want, sortable{key: key, seq: n})
			}
			n++
		}
		slices.SortStableFunc(want, byKey)
		want = append([]sortable(nil), want[:min(k, len(want))]...)
		p, done := watched(t, TopK(Map(Enumerate(s.stream()), Pure(func(p Pair[int64, int]) sortable {
			return sortable{key: p.Second, seq: int(p.First)}
		})), k, func(a, b sortable) int {
			if a.key == 19 && a.seq > 0 {
				panic("boom")
			}
			return byKey(a, b)
		}))
		got, errs, tokens, err := pullAll(t, p, rapid.SliceOfN(rapid.IntRange(0, 9), 1, 4).Draw(t, "limits"),
			func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 })
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures+panics)
		assert.EqualValues(t, len(keys), tokens)
		done()
	})
}

func TestTopKEndsWithItsInput(t *testing.T) {
	requirePanics(t, "penstock: stage.TopK: k is -1, want 0 or more", func() { TopK(ints(1), -1, func(int, int) int { return 0 }) })
	requirePanics(t, "penstock: stage.TopK: cmp is nil", func() { TopK(ints(1), 1, nil) })
	s := upTo(100)
	s.end = errBad
	got, err := TopK(s.stream(), 3, func(a, b int) int { return b - a }).Collect(context.Background())
	assert.ErrorIs(t, err, errBad)
	assert.Empty(t, got)
}

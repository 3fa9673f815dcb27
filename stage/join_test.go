package stage

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestJoinAsAPlainLoop(t *testing.T) {
	names := map[int]string{1: "one", 2: "two", 4: "four"}
	key := func(v int) int { return v % 6 }
	lookup := func(ctx context.Context, k int) (string, bool, error) {
		if k == 5 {
			return "", true, errBad
		}
		return InMap(names)(ctx, k)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.IntRange(0, 100)).Draw(t, "values")
		var inner []Pair[int, string]
		var left []Pair[int, Matched[string]]
		failures := 0
		for _, v := range values {
			if v%6 == 5 {
				failures++
				continue
			}
			name, ok := names[v%6]
			if ok {
				inner = append(inner, Pair[int, string]{v, name})
			}
			left = append(left, Pair[int, Matched[string]]{v, Matched[string]{name, ok}})
		}
		limits := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 4).Draw(t, "limits")
		giveUp := func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 }

		p, done := watched(t, Join(items(values...).stream(), key, lookup))
		got, errs, _, err := pullAll(t, p, limits, giveUp)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, inner, got)
		assert.Len(t, errs, failures)
		done()

		q, done := watched(t, LeftJoin(items(values...).stream(), key, lookup))
		all, errs, _, err := pullAll(t, q, limits, giveUp)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, left, all)
		assert.Len(t, errs, failures)
		done()
	})
	requirePanics(t, "penstock: stage.Join: key is nil", func() { Join(ints(1), nil, lookup) })
	requirePanics(t, "penstock: stage.LeftJoin: lookup is nil", func() { LeftJoin[int, int, int](ints(1), key, nil) })
	requirePanics(t, "penstock: stage.Matching: key is nil", func() { Matching[int](nil, lookup) })
	requirePanics(t, "penstock: stage.MatchingAll: lookup is nil", func() { MatchingAll[int, int, int](key, nil) })
}

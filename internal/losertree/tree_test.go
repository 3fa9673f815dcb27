package losertree

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

type item struct{ key, seq, n int }

func byKey(a, b item) int { return cmp.Compare(a.key, b.key) }

func TestMergesStablyAsSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 12), 0, 20).Draw(t, "lists")
		seqs := make([][]item, len(lists))
		var want []item
		for s, keys := range lists {
			slices.Sort(keys)
			for n, k := range keys {
				seqs[s] = append(seqs[s], item{k, s, n})
			}
			want = append(want, seqs[s]...)
		}
		slices.SortStableFunc(want, byKey)

		tree := New(len(seqs), byKey)
		for s := range seqs {
			if len(seqs[s]) > 0 {
				tree.Set(s, seqs[s][0])
			}
		}
		tree.Init()
		var got []item
		for {
			s, ok := tree.Winner()
			if !ok {
				break
			}
			got = append(got, tree.Head())
			if seqs[s] = seqs[s][1:]; len(seqs[s]) > 0 {
				tree.Replace(seqs[s][0])
			} else {
				tree.End()
			}
		}
		assert.Equal(t, want, got)
	})
}

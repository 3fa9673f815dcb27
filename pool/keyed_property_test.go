package pool_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
)

// keyOf is the key of a number: some keys have many numbers and some have none.
func keyOf(keys, i int) int { return i * i % keys }

// Whatever the workers, chunks and budgets are, the results of each key are those
// of the sequential loop over the items of that key, and no key is run twice at
// once.
func TestProperty_ImapKeyedIsTheSequentialLoopForEachKey(t *testing.T) {
	v := verb{name: "ImapKeyed", makes: one}
	rapid.Check(t, func(r *rapid.T) {
		j := drawJob(r)
		keys := rapid.SampledFrom([]int{1, 2, 3, 8, 50, 1000}).Draw(r, "keys")
		opts := slices.Concat(j.opts, []pool.Option{pool.InFlightPerKey(rapid.SampledFrom([]int{0, 0, 1, 2, 5, 100}).Draw(r, "per key"))})
		noKey := drawEvery(r, "panics of key")
		busy := make([]atomic.Bool, keys)
		var o outcome[int]
		var closed error
		j.in(t, func() {
			p := pool.New(j.workers)
			s := pool.ImapKeyed(p, j.source(), func(i int) int {
				if noKey.has(i) {
					panic(errItem)
				}
				return keyOf(keys, i)
			}, func(ctx context.Context, i int) (int, error) {
				if !busy[keyOf(keys, i)].CompareAndSwap(false, true) {
					return 0, fmt.Errorf("two run key %d", keyOf(keys, i))
				}
				defer busy[keyOf(keys, i)].Store(false)
				return 3*i + 1, j.item(ctx, i)
			}, opts...)
			pull := -1
			o = drain(r, s, func() int { pull++; return j.limits[pull%len(j.limits)] })
			closed = p.Wait()
		})
		require.NoError(r, closed)
		_, end := j.ending()
		require.ErrorIs(r, o.end, end)
		requireTokens(r, j.n, o.tokens)

		want := map[int][]string{} // by key; -1 is that of what has none
		entered := 0
		for i := range j.n {
			key := keyOf(keys, i)
			said := j.says(i, entered, noKey.has(i))
			if j.records.has(i) || noKey.has(i) {
				key = -1
			}
			if !j.records.has(i) {
				entered++
			}
			want[key] = append(want[key], said)
		}
		got := map[int][]string{}
		for i, said := range observed(r, &v, &o) {
			key := -1
			if e := o.events[i]; e.err == nil {
				key = keyOf(keys, (e.item-1)/3)
			} else if record := int(e.err.At.Record); !j.records.has(record) && !noKey.has(record) {
				key = keyOf(keys, record)
			}
			got[key] = append(got[key], said)
		}
		slices.Sort(want[-1])
		slices.Sort(got[-1])
		require.Equal(r, want, got)
	})
}

// says is what the sequential loop says of an item of the job.
func (j *job) says(i, entered int, noKey bool) string {
	switch {
	case j.records.has(i):
		return fmt.Sprintf("bad record %d", i)
	case noKey, j.panics.has(i):
		return fmt.Sprintf("bad item %d: record %d, panic true", entered, i)
	case j.fails.has(i):
		return fmt.Sprintf("bad item %d: record %d, panic false", entered, i)
	default:
		return fmt.Sprint("item ", 3*i+1)
	}
}

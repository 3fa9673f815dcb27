package checkpoint

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bitmap is the plain answer: a flag for each record.
type bitmap []bool

func (b bitmap) mark(r Range) {
	for i := r.First; i < r.End(); i++ {
		b[i] = true
	}
}

// runs are the runs of records with the flag.
func (b bitmap) runs(flag bool) (out []Range) {
	for i, is := range b {
		switch last := len(out) - 1; {
		case is != flag:
		case last >= 0 && out[last].End() == int64(i):
			out[last].N++
		default:
			out = append(out, Range{int64(i), 1})
		}
	}
	return out
}

// same checks a snapshot against the flags.
func same(t require.TestingT, want bitmap, p Progress[int64]) {
	require.NoError(t, p.check())
	done := want.runs(true)
	mark := int64(0)
	if len(done) > 0 && done[0].First == 0 {
		mark, done = done[0].N, done[1:]
	}
	require.Equal(t, mark, p.Watermark)
	require.True(t, slices.Equal(done, p.Done), "%v, want %v", p.Done, done)
	require.Equal(t, p.First*10, p.At, "position of record %d", p.First)
}

// cuts are ranges that cover [from, n), in order.
func cuts(r *rapid.T, from, n int64) (out []Range) {
	for from < n {
		size := min(rapid.Int64Range(1, 8).Draw(r, "size"), n-from)
		out = append(out, Range{from, size})
		from += size
	}
	return out
}

func TestTrackerProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.Int64Range(0, 120).Draw(r, "records")
		flags := make(bitmap, n)
		var saved Progress[int64]
		// Several runs, each of which dies after some of its ranges.
		for run := range rapid.IntRange(1, 4).Draw(r, "runs") {
			tr, err := NewTracker(saved)
			require.NoError(r, err)
			ranges := cuts(r, saved.First, n)
			window := rapid.IntRange(1, 30).Draw(r, "window")
			left := slices.Clone(ranges)
			for range rapid.IntRange(0, len(ranges)).Draw(r, "acknowledged") {
				ahead := 1 // what a budget of so many records lets be in flight
				for ahead < len(left) && left[ahead].End() <= left[0].First+int64(window) {
					ahead++
				}
				i := rapid.IntRange(0, ahead-1).Draw(r, "which")
				a := left[i]
				left = slices.Delete(left, i, i+1)
				require.NoError(r, tr.Done(a.First, a.N, a.First*10))
				flags.mark(a)
				same(r, flags, tr.Progress())
				ranges, records := tr.Above()
				require.LessOrEqual(r, ranges, window, "run %d", run)
				require.LessOrEqual(r, records, int64(window))
				var over *OverlapError
				require.ErrorAs(r, tr.Done(a.First+rapid.Int64Range(0, a.N-1).Draw(r, "in"), 1, 0), &over)
				same(r, flags, tr.Progress())
			}
			text, err := json.Marshal(tr.Progress())
			require.NoError(r, err)
			saved = Progress[int64]{}
			require.NoError(r, json.Unmarshal(text, &saved))
			same(r, flags, saved)
		}
	})
}

// Many single records in flight, acknowledged in any order: the memory above the
// watermark is used again and stays as small as what is in flight.
func TestTrackerLongRun(t *testing.T) {
	const n, window = 20_000, 100
	rnd := rand.New(rand.NewPCG(1, 2))
	flags := make(bitmap, n)
	var tr Tracker[int64]
	var flight []int64
	for next := int64(0); next < n || len(flight) > 0; {
		for next < n && len(flight) < window && (len(flight) == 0 || next < flight[0]+window) {
			flight = append(flight, next)
			next++
		}
		i := rnd.IntN(len(flight))
		at := flight[i]
		flight = slices.Delete(flight, i, i+1)
		require.NoError(t, tr.Done(at, 1, at*10))
		flags[at] = true
		if at%500 == 0 || next == n {
			same(t, flags, tr.Progress())
		}
		require.LessOrEqual(t, cap(tr.above), 2*window)
	}
	require.EqualValues(t, n, tr.Watermark())
}

func TestSkipProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const n = 60
		flags := bitmap(rapid.SliceOfN(rapid.Bool(), n, n).Draw(r, "done"))
		p := Progress[int64]{Done: flags.runs(true)}
		if len(p.Done) > 0 && p.Done[0].First == 0 {
			p.Watermark, p.Done = p.Done[0].N, p.Done[1:]
		}
		first := rapid.Int64Range(0, n).Draw(r, "first")
		count := rapid.Int64Range(0, n-first).Draw(r, "n")
		want := flags[first : first+count].runs(false)
		for i := range want {
			want[i].First += first
		}
		require.Equal(r, want, slices.Collect(p.Skip(first, count)))
		for got := range p.Skip(first, count) {
			require.Equal(r, want[0], got)
			break
		}
	})
}

func TestTrackerRefuses(t *testing.T) {
	var tr Tracker[string]
	require.NoError(t, tr.Done(0, 10, "a"))
	require.NoError(t, tr.Done(20, 10, "c"))
	for _, c := range []struct {
		first, n int64
		want     string
	}{
		{5, 10, "checkpoint: records [5, 15) are acknowledged again: [0, 10) are done already"},
		{10, 11, "checkpoint: records [10, 21) are acknowledged again: [20, 30) are done already"},
		{15, 6, "checkpoint: records [15, 21) are acknowledged again: [20, 30) are done already"},
		{29, 1, "checkpoint: records [29, 30) are acknowledged again: [20, 30) are done already"},
		{-1, 5, "checkpoint: ordinal -1 is negative"},
		{10, -1, "checkpoint: -1 records from ordinal 10: the count is negative"},
		{40, math.MaxInt64, "checkpoint: 9223372036854775807 records from ordinal 40: the end is out of range"},
		{10, math.MaxInt64, "checkpoint: 9223372036854775807 records from ordinal 10: the end is out of range"},
	} {
		before := tr.Progress()
		require.EqualError(t, tr.Done(c.first, c.n, "x"), c.want)
		require.Equal(t, before, tr.Progress())
	}
	require.NoError(t, tr.Done(10, 0, "b"))
	assert.Equal(t, Progress[string]{Watermark: 10, First: 10, At: "b", Done: []Range{{20, 10}}}, tr.Progress())
	_, err := NewTracker(Progress[string]{Watermark: 5, Done: []Range{{5, 1}}})
	require.EqualError(t, err, "checkpoint: progress: done range 1, [5, 6): it must hold records and lie apart from and above 5")
}

func TestSkipChecksItsArguments(t *testing.T) {
	var p Progress[int]
	for _, r := range []Range{{-1, 1}, {1, -1}, {1, math.MaxInt64}} {
		assert.Panics(t, func() {
			for got := range p.Skip(r.First, r.N) {
				t.Error(got)
			}
		})
	}
}

func TestTrackerAllocatesNothing(t *testing.T) {
	var tr Tracker[int64]
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		require.NoError(t, tr.Done(tr.Watermark(), 7, 0))
	}))
	p := Progress[int64]{Watermark: 100, Done: []Range{{200, 50}}}
	for _, first := range []int64{0, 150, 205, 300, 190} {
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			for r := range p.Skip(first, 20) {
				if r.N == 0 {
					t.Fail()
				}
			}
		}))
	}
}

func TestProgressJSON(t *testing.T) {
	text, err := json.Marshal(Progress[string]{Watermark: 12, First: 8, At: "k", Done: []Range{{20, 3}}})
	require.NoError(t, err)
	//nolint:testifylint // the bytes are stable, not only what they mean
	assert.Equal(t, `{"watermark":12,"first":8,"at":"k","done":[{"first":20,"n":3}]}`, string(text))
	for _, bad := range []string{
		`null`, `{"watermark":-1}`, `{"watermark":1,"first":-1}`, `{"watermark":1,"first":2}`, `{"later":1}`, `{"watermark":1.5}`,
		`{"watermark":1,"watermark":1}`, `{"done":[{"first":0,"n":1}]}`, `{"done":[{"first":2,"n":0}]}`, `{"done":[{"first":2,"n":-1}]}`,
		`{"done":[{"first":2,"n":5},{"first":6,"n":1}]}`, `{"done":[{"first":9,"n":5},{"first":2,"n":1}]}`,
		`{"done":[{"first":2,"n":9223372036854775807}]}`, `{"watermark":9223372036854775808}`,
	} {
		var p Progress[string]
		require.Error(t, json.Unmarshal([]byte(bad), &p), bad)
	}
	_, err = json.Marshal(Progress[string]{Watermark: -1, First: -1})
	require.Error(t, err)
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"watermark":12,"first":8,"at":"k","done":[{"first":20,"n":3},{"first":30,"n":1}]}`))
	f.Add([]byte(`{"watermark":1,"done":[{"first":2,"n":9223372036854775807}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Progress[json.RawMessage]
		if p.UnmarshalJSON(data) != nil {
			return
		}
		tr, err := NewTracker(p)
		require.NoError(t, err)
		require.Equal(t, p.Watermark, tr.Progress().Watermark)
		require.Len(t, tr.Progress().Done, len(p.Done))
		for r := range p.Skip(0, math.MaxInt64) {
			require.Positive(t, r.N)
			require.GreaterOrEqual(t, r.First, p.Watermark)
		}
	})
}

func BenchmarkDone(b *testing.B) {
	b.Run("ordered", func(b *testing.B) {
		var tr Tracker[int64]
		for b.Loop() {
			if err := tr.Done(tr.Watermark(), 16, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("window=1000", func(b *testing.B) {
		order := rand.New(rand.NewPCG(1, 2)).Perm(1000)
		var tr Tracker[int64]
		base, i := int64(0), 0
		for b.Loop() {
			if err := tr.Done(base+16*int64(order[i]), 16, 0); err != nil {
				b.Fatal(err)
			}
			if i++; i == len(order) {
				base, i = base+16*int64(len(order)), 0
			}
		}
	})
}

package stage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/internal/spill"
)

// groupedBy is what a plain loop with a map makes of the items of a script.
func groupedBy[K comparable](s *script, key func(int) K) (want []Pair[K, []int], failures int) {
	places := map[K]int{}
	for _, e := range s.events {
		if e.err != nil || fateOf(e.item) != nil {
			failures++
			continue
		}
		k := key(e.item)
		i, met := places[k]
		if !met {
			i = len(want)
			places[k] = i
			want = append(want, Pair[K, []int]{First: k})
		}
		want[i].Second = append(want[i].Second, e.item)
	}
	return want, failures
}

// groupScript draws items, some of which fail, and how they are cut into chunks.
func groupScript(t *rapid.T) *script {
	s := &script{cuts: append(rapid.SliceOfN(rapid.IntRange(0, 30), 0, 3).Draw(t, "cuts"), 5)}
	seed := rapid.IntRange(1, 1000).Draw(t, "seed")
	for i := range rapid.IntRange(0, 300).Draw(t, "n") {
		if v := (i*seed*7919 + seed) % 1009; v%17 == 3 {
			s.events = append(s.events, event{err: errBad})
		} else {
			s.events = append(s.events, event{item: v % 200})
		}
	}
	return s
}

// spilled compares GroupBy with Spill to the plain loop.
func spilled[K comparable](t *rapid.T, dir string, s *script, key func(int) K, want []Pair[K, []int], failures int, opts ...GroupOption) {
	memory := rapid.SampledFrom([]int64{1, 300, 3000, 30000, 0}).Draw(t, "memory")
	most := rapid.SampledFrom([]int{0, 1, 2, 5, 30, 1000}).Draw(t, "keys")
	opts = append(opts, MaxKeys(most), Spill(SpillMemory(memory), SpillDir(dir)))
	p, done := watched(t, GroupBy(s.stream(), key, listing, opts...))
	got, errs, tokens, err := pullAll(t, p, rapid.SliceOfN(rapid.IntRange(0, 50), 1, 4).Draw(t, "limits"),
		func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 })
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, want, got)
	assert.Len(t, errs, failures)
	assert.EqualValues(t, len(s.events), tokens)
	assertEmptyDir(t, dir)
	done()
	assertEmptyDir(t, dir)
}

// Whatever fits into memory, and wherever chunks and pulls end, groups that were in
// files are those of a plain loop, in the same order.
func TestGroupBySpillsAsAMap(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := groupScript(t)
		keys := rapid.IntRange(1, 100).Draw(t, "number of keys")
		key := func(v int) string { return strings.Repeat("key", v%3) + fmt.Sprint(v%keys) }
		want, failures := groupedBy(s, key)
		byKey := func(a, b Pair[string, []int]) int { return cmp.Compare(a.First, b.First) }
		switch rapid.IntRange(0, 2).Draw(t, "order") {
		case 0:
			spilled(t, dir, s, key, want, failures)
		case 1:
			slices.SortFunc(want, byKey)
			spilled(t, dir, s, key, want, failures, ByKey[string]())
		case 2:
			slices.SortFunc(want, func(a, b Pair[string, []int]) int { return byKey(b, a) })
			spilled(t, dir, s, key, want, failures, ByKeyFunc(func(a, b string) int { return strings.Compare(b, a) }))
		}
	})
}

// place is a key with bytes between its fields.
type placed struct {
	Kind  byte
	Level float64
	Name  string
}

func TestGroupBySpillsAnyKey(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := groupScript(t)
		level := func(v int) float64 { return []float64{0, math.Copysign(0, -1), 1, math.Inf(-1)}[v%4] }
		struc := func(v int) placed { return placed{byte(v % 3), level(v), fmt.Sprint(v % 5)} }
		want, failures := groupedBy(s, struc)
		spilled(t, dir, s, struc, want, failures)

		s = groupScript(t)
		hour := func(v int) time.Time { return time.Unix(int64(v%7*3600), 0).UTC() }
		times, failures := groupedBy(s, hour)
		slices.SortFunc(times, func(a, b Pair[time.Time, []int]) int { return a.First.Compare(b.First) })
		spilled(t, dir, s, hour, times, failures, ByKeyFunc(time.Time.Compare))
	})
}

// Times in a place of their own point to it, and are one key in files as they were before.
func TestGroupBySpillsTimesOfAPlace(t *testing.T) {
	zone := time.FixedZone("there", 3600)
	day := func(v int) time.Time { return time.Date(2026, 1, 1+v%3, 0, 0, 0, 0, zone) }
	got, err := GroupBy(ints(30), day, tallies(), MaxKeys(1), Spill()).Collect(context.Background())
	require.NoError(t, err)
	require.Len(t, got, 3)
	for i, g := range got {
		assert.True(t, day(i).Equal(g.First))
		assert.Equal(t, 10, g.Second)
	}
}

func TestGroupBySpillsWhatEqualsNothing(t *testing.T) {
	nan := func(int) float64 { return math.NaN() }
	got, err := GroupBy(ints(50), nan, tallies(), MaxKeys(7), Spill()).Collect(context.Background())
	require.NoError(t, err)
	require.Len(t, got, 50)
	for _, g := range got {
		assert.True(t, math.IsNaN(g.First))
		assert.Equal(t, 1, g.Second)
	}
}

func tallies() Fold[int, int] {
	return Fold[int, int]{
		New:   func() int { return 0 },
		Add:   func(n, _ int) (int, error) { return n + 1, nil },
		Merge: func(a, b int) (int, error) { return a + b, nil },
	}
}

// Keys that have the same hash stay apart.
func TestGroupsWithOneHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys, err := spill.Of[int]()
		require.NoError(t, err)
		accs, err := spill.Of[[]int]()
		require.NoError(t, err)
		r := newGroupRuns(context.Background(), newSpillConfig("test", []SpillOption{SpillMemory(1)}), groupCodec(keys, accs), nil, listing.Merge)
		var want []Pair[int, []int]
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			all := rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 9, rapid.ID).Draw(t, "keys")
			slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(a%2, b%2) })
			at := 0
			require.NoError(t, r.push(context.Background(), func() (g group[int, []int], err error) {
				if at == len(all) {
					return g, io.EOF
				}
				k := all[at]
				g = group[int, []int]{hash: uint64(k % 2), seq: r.came, key: k, acc: []int{int(r.came)}}
				i := slices.IndexFunc(want, func(p Pair[int, []int]) bool { return p.First == k })
				if i < 0 {
					i = len(want)
					want = append(want, Pair[int, []int]{First: k})
				}
				want[i].Second = append(want[i].Second, int(r.came))
				at++
				r.came++
				return g, nil
			}))
		}
		next, err := r.merged(context.Background())
		require.NoError(t, err)
		var got []Pair[int, []int]
		for g, err := next(); err != io.EOF; g, err = next() {
			require.NoError(t, err)
			got = append(got, Pair[int, []int]{First: g.key, Second: g.acc})
		}
		assert.Equal(t, want, got)
		require.NoError(t, r.close())
	})
}

func TestGroupBySpillEndsEarly(t *testing.T) {
	dir := t.TempDir()
	for _, opts := range [][]GroupOption{{ByKey[int]()}, nil} {
		for stop := range 12 {
			s := upTo(500)
			s.cuts = []int{50}
			opts := append(slices.Clone(opts), MaxKeys(3), Spill(SpillDir(dir)))
			p, done := watched(t, GroupBy(s.stream().Filter(func(v int) bool { return fateOf(v) == nil }), func(v int) int { return v % 100 }, listing, opts...))
			var c Chunk[Pair[int, []int]]
			for range stop {
				if p.Pull(context.Background(), &c, Limit{Items: 10}) != nil {
					break
				}
			}
			done()
			assertEmptyDir(t, dir)
			assert.Equal(t, 1, s.mu.closes)
		}
	}
}

func TestGroupBySpillCancelled(t *testing.T) {
	dir := t.TempDir()
	for after := range 20 {
		ctx, cancel := context.WithCancelCause(context.Background())
		n := 0
		fold := tallies()
		fold.Merge = func(a, b int) (int, error) {
			if n++; n == 1+10*after {
				cancel(errGivenUp)
			}
			return a + b, nil
		}
		var err error
		for _, err = range GroupBy(ints(1000), func(v int) int { return v % 50 }, fold, MaxKeys(20), Spill(SpillDir(dir), SpillMemory(1000))).All(ctx) {
			if err != nil {
				break
			}
		}
		assert.ErrorIs(t, err, errGivenUp)
		assertEmptyDir(t, dir)
		cancel(nil)
	}
}

// What goes wrong in the order of the keys, in Merge and in a codec is no item's failure:
// it ends the stream.
func TestGroupBySpillFunctionsThatFail(t *testing.T) {
	for name, bad := range map[string]func(){"panic": func() { panic(errBad) }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			for trip := range 60 {
				calls := 0
				now := func() {
					if calls++; calls == 1+trip*11 {
						bad()
					}
				}
				fold := tallies()
				fold.Merge = func(a, b int) (int, error) { now(); return a + b, nil }
				order := ByKeyFunc(func(a, b int) int { now(); return cmp.Compare(a, b) })
				codec := SpillCodec(func(dst []byte, v int) ([]byte, error) { now(); return append(dst, byte(v)), nil },
					func(src []byte) (int, error) { now(); return int(src[0]), nil })
				dir := t.TempDir()
				var reached error
				ended := make(chan struct{})
				go func() { // Goexit ends it
					defer close(ended)
					_, reached = GroupBy(ints(300), func(v int) int { return v % 40 }, fold, order,
						MaxKeys(15), Spill(codec, SpillDir(dir))).Collect(context.Background())
				}()
				<-ended
				assertEmptyDir(t, dir)
				if name == "panic" {
					assert.ErrorContains(t, reached, "GroupBy: ")
					assert.ErrorIs(t, reached, errBad)
					var item *ItemError
					assert.NotErrorAs(t, reached, &item)
				}
			}
		})
	}
	fold := tallies()
	fold.Merge = func(int, int) (int, error) { return 0, errBad }
	_, err := GroupBy(ints(30), func(v int) int { return v % 4 }, fold, MaxKeys(2), Spill()).Collect(context.Background())
	assert.ErrorIs(t, err, errBad)
	assert.ErrorContains(t, err, "GroupBy: key ")
	assert.ErrorContains(t, err, ": merge: ")
}

func TestGroupBySpillFileFailures(t *testing.T) {
	for _, order := range [][]GroupOption{{ByKey[int]()}, nil} {
		for n := 1; ; n += 1 + n/20 {
			dir := t.TempDir()
			files := &fsystest.Faults{FS: fsys.OS{}, Before: fsystest.FailAt(n, syscall.ENOSPC)}
			ctx := fsys.With(context.Background(), files)
			opts := append(slices.Clone(order), MaxKeys(50), Spill(SpillMemory(20000), SpillDir(dir)))
			got, err := GroupBy(ints(1000), func(v int) int { return v % 400 }, tallies(), opts...).Collect(ctx)
			if err == nil {
				assert.Len(t, got, 400)
				entries, rerr := os.ReadDir(dir)
				require.NoError(t, rerr)
				require.Empty(t, entries, "operation %d", n)
				if n > 300 {
					break
				}
				continue
			}
			assert.ErrorIs(t, err, syscall.ENOSPC)
			assert.ErrorContains(t, err, "GroupBy: ")
			assertEmptyDir(t, dir)
		}
	}
}

func TestGroupBySpillReadsOnlyWhatItWrote(t *testing.T) {
	ctx := fsys.With(context.Background(), &flipping{})
	_, err := GroupBy(ints(3000), func(v int) int { return v % 1500 }, tallies(), MaxKeys(700), Spill()).Collect(ctx)
	assert.ErrorIs(t, err, spill.ErrCorrupt)
	assert.ErrorContains(t, err, "GroupBy: spill: ")
	assert.ErrorContains(t, err, "penstock-groupby-")
}

// Groups whose accumulators grow are written before they take more than the memory.
func TestGroupBySpillMemory(t *testing.T) {
	files := &tallying{}
	ctx := fsys.With(context.Background(), files)
	words := Map(ints(20000), Pure(func(int) string { return strings.Repeat("x", 100) }))
	list := Fold[string, []string]{
		New:   func() []string { return nil },
		Add:   func(acc []string, v string) ([]string, error) { return append(acc, v), nil },
		Merge: func(a, b []string) ([]string, error) { return append(a, b...), nil },
	}
	got, err := GroupBy(words, func(string) bool { return true }, list, Spill(SpillMemory(500_000))).Collect(ctx)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Len(t, got[0].Second, 20000)
	// 20,000 strings of 116 bytes in portions of up to three quarters of the memory, some
	// of them merged once more.
	assert.Greater(t, files.made, 5)
	assert.Less(t, files.made, 20)

	files = &tallying{}
	size := SpillSize(func(int) int { return 10_000 })
	_, err = GroupBy(ints(1000), func(v int) bool { return v%2 == 0 }, tallies(), Spill(SpillMemory(40_000), size)).Collect(fsys.With(context.Background(), files))
	require.NoError(t, err)
	assert.Zero(t, files.made, "two of 10 kB fit into 30 kB")
	_, err = GroupBy(ints(1000), func(v int) int { return v % 4 }, tallies(), Spill(SpillMemory(40_000), size)).Collect(fsys.With(context.Background(), files))
	require.NoError(t, err)
	assert.Positive(t, files.made)
}

// tallying counts temporary files.
type tallying struct {
	fsys.OS
	made int
}

func (f *tallying) CreateTemp(dir, pattern string) (fsys.File, error) {
	f.made++
	return f.OS.CreateTemp(dir, pattern)
}

func TestGroupBySpillArguments(t *testing.T) {
	self := func(v int) int { return v }
	requirePanics(t, "penstock: stage.Spill: option is nil", func() { Spill(nil) })
	requirePanics(t, "penstock: stage.GroupBy: a key of *int that is read back does not equal itself: give it a SpillCodec",
		func() { GroupBy(ints(1), func(v int) *int { return &v }, tallies(), Spill()) })
	requirePanics(t, "penstock: stage.GroupBy: no codec for error: error cannot be written to a file: give it a SpillCodec",
		func() { GroupBy(ints(1), func(int) error { return errBad }, tallies(), Spill()) })
	requirePanics(t, "penstock: stage.GroupBy: a SpillSize or SpillCodec is for another type: func(string) int",
		func() { GroupBy(ints(1), self, tallies(), Spill(SpillSize(func(string) int { return 1 }))) })
	text := SpillCodec(func(dst []byte, v any) ([]byte, error) { return append(dst, byte(v.(int))), nil },
		func(src []byte) (any, error) { return int(src[0]), nil })
	got, err := GroupBy(ints(100), func(v int) any { return v % 10 }, tallies(), MaxKeys(3), Spill(text)).Collect(context.Background())
	require.NoError(t, err)
	require.Len(t, got, 10)
	for i, g := range got {
		assert.Equal(t, Pair[any, int]{First: i, Second: 10}, g)
	}
}

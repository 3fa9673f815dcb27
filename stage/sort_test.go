package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/internal/fsys/fsystest"
	"github.com/penstock-go/penstock/internal/spill"
)

type sortable struct {
	key  int
	text string
	seq  int
}

func byKey(a, b sortable) int { return cmp.Compare(a.key, b.key) }

// sortables makes items of a script's numbers, whose order the last digit decides.
func sortables(in Stream[int]) Stream[sortable] {
	return Map(Enumerate(in), Pure(func(p Pair[int64, int]) sortable {
		return sortable{key: p.Second % 10, text: strings.Repeat("x", p.Second%40), seq: int(p.First)}
	}))
}

func assertEmptyDir(t assert.TestingT, dir string) {
	entries, err := os.ReadDir(dir)
	assert.NoError(t, err)
	assert.Empty(t, entries, "temporary files are left")
}

// pullAll drains an opened stream with the limits in turn; pulls of which giveUp says so
// are made with a context that has ended, and lose nothing.
func pullAll[T any](t assert.TestingT, p Puller[T], limits []int, giveUp func() bool) (items []T, errs []*ItemError, tokens int64, err error) {
	var c Chunk[T]
	take := func() {
		items = append(items, c.Items...)
		errs = append(errs, c.Errors...)
		for _, tok := range c.Tokens {
			tokens += tok.N
		}
	}
	for i := 0; err == nil; i++ {
		limit := Limit{Items: limits[i%len(limits)]}
		if giveUp() {
			gone := p.Pull(ended(errGivenUp), &c, limit)
			if !errors.Is(gone, errGivenUp) {
				err = gone
			}
			take()
			continue
		}
		err = p.Pull(context.Background(), &c, limit)
		if limit.Items > 0 {
			assert.LessOrEqual(t, len(c.Items), limit.Items)
		}
		take()
	}
	return items, errs, tokens, err
}

func TestSortAsTheStandardLibrary(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := &script{cuts: rapid.SliceOfN(rapid.IntRange(0, 30), 1, 5).Draw(t, "cuts")}
		s.cuts = append(s.cuts, 7)
		n := rapid.IntRange(0, 400).Draw(t, "n")
		seed := rapid.IntRange(1, 1000).Draw(t, "seed")
		var want []sortable
		failures := 0
		for i := range n {
			v := (i*seed*7919 + seed) % 1009
			if v%17 == 3 {
				s.events = append(s.events, event{err: errBad})
				failures++
				continue
			}
			s.events = append(s.events, event{item: v})
			want = append(want, sortable{v % 10, strings.Repeat("x", v%40), i - failures})
		}
		slices.SortStableFunc(want, byKey)
		memory := rapid.SampledFrom([]int64{1, 500, 5000, 20000, 0}).Draw(t, "memory")
		p, done := watched(t, Sort(sortables(s.stream()), byKey, SpillMemory(memory), SpillDir(dir)))
		got, errs, tokens, err := pullAll(t, p, rapid.SliceOfN(rapid.IntRange(0, 50), 1, 4).Draw(t, "limits"),
			func() bool { return rapid.IntRange(0, 3).Draw(t, "give up") == 0 })
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
		assert.Len(t, errs, failures)
		assert.EqualValues(t, n, tokens)
		assertEmptyDir(t, dir)
		done()
		assertEmptyDir(t, dir)
	})
}

// Strings that are views of a source's block stay whole when the block is used again.
func TestSortCopiesViews(t *testing.T) {
	dir := t.TempDir()
	var want []string
	p, done := watched(t, Sort(New("views", func(context.Context) (Puller[string], error) { return &recycling{left: 3000}, nil }),
		strings.Compare, SpillMemory(30000), SpillDir(dir)))
	for i := range 3000 {
		want = append(want, fmt.Sprintf("%06d", (i*7919)%3000))
	}
	slices.Sort(want)
	got, _, _, err := pullAll(t, p, []int{100}, func() bool { return false })
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, want, got)
	done()
}

// recycling is a source of blocks that overwrites those that it is given back.
type recycling struct {
	made int
	left int
	back []byte
}

func (r *recycling) Pull(_ context.Context, into *Chunk[string], _ Limit) error {
	into.Reset()
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	into.Block = fmt.Appendf(r.back[:0], "%06d", (r.made*7919)%3000)
	r.back = nil
	r.made++
	return nil
}

func (r *recycling) Fill(_ context.Context, c *Chunk[string]) error {
	c.Items = append(c.Items, unsafe.String(&c.Block[0], len(c.Block)))
	return nil
}

func (r *recycling) Recycle(block []byte) { r.back = block }
func (r *recycling) Close() error         { return nil }

func TestSortEndsEarly(t *testing.T) {
	dir := t.TempDir()
	for stop := range 12 {
		s := upTo(500)
		s.cuts = []int{50}
		p, done := watched(t, Sort(sortables(s.stream()), byKey, SpillMemory(4000), SpillDir(dir)))
		var c Chunk[sortable]
		for range stop {
			require.NoError(t, p.Pull(context.Background(), &c, Limit{Items: 40}))
		}
		done()
		assert.ErrorIs(t, p.Pull(context.Background(), &c, Limit{}), io.EOF)
		assertEmptyDir(t, dir)
		assert.Equal(t, 1, s.mu.closes)
	}
}

func TestSortEndsWithItsInput(t *testing.T) {
	s := upTo(100)
	s.end = errBad
	got, err := Sort(s.stream(), cmp.Compare[int], SpillMemory(100)).Collect(context.Background())
	assert.ErrorIs(t, err, errBad)
	assert.Empty(t, got)
}

func TestSortCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(context.Background())
	n := 0
	in := upTo(1000).stream().Tap(func(int) {
		if n++; n == 700 {
			cancel(errGivenUp)
		}
	})
	for _, err := range Sort(in, cmp.Compare[int], SpillMemory(2000), SpillDir(dir)).All(ctx) {
		assert.ErrorIs(t, err, errGivenUp)
	}
	assertEmptyDir(t, dir)
}

func TestSortComparisonsThatPanic(t *testing.T) {
	for name, memory := range map[string]int64{"in memory": 0, "in files": 500} {
		t.Run(name, func(t *testing.T) {
			for _, bad := range []func(){func() { panic(errBad) }, runtime.Goexit} {
				for trip := range 3 {
					calls := 0
					dir := t.TempDir()
					var reached error
					func() {
						_, reached = Sort(ints(300), func(a, b int) int {
							if a == 250-100*trip || b == 250-100*trip {
								if calls++; calls == 1 {
									bad()
								}
							}
							return cmp.Compare(-a, -b)
						}, SpillMemory(memory), SpillDir(dir)).Collect(context.Background())
					}()
					assert.ErrorContains(t, reached, "Sort: ")
					assert.True(t, errors.Is(reached, errBad) || errors.Is(reached, ErrGoexit), "%v", reached)
					assertEmptyDir(t, dir)
				}
			}
		})
	}
}

// Every operation on a temporary file may fail: the stream then ends with an error that
// names the file, and all else is cleaned up.
func TestSortFileFailures(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		files := &fsystest.Faults{FS: fsys.OS{}, Before: fsystest.FailAt(n, syscall.ENOSPC)}
		ctx := fsys.With(context.Background(), files)
		got, err := Sort(ints(3000), func(a, b int) int { return cmp.Compare(b, a) }, SpillMemory(20000), SpillDir(dir)).Collect(ctx)
		if err == nil {
			assert.Len(t, got, 3000)
			entries, rerr := os.ReadDir(dir)
			require.NoError(t, rerr)
			if len(entries) > 0 { // the name could not be removed, neither at first nor at the end
				t.Fatalf("operation %d: %v", n, entries)
			}
			if n > 200 {
				break
			}
			continue
		}
		assert.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, "Sort: ")
		assertEmptyDir(t, dir)
	}
}

func TestSortReadsOnlyWhatItWrote(t *testing.T) {
	files := &flipping{}
	ctx := fsys.With(context.Background(), files)
	_, err := Sort(ints(3000), func(a, b int) int { return cmp.Compare(b, a) }, SpillMemory(20000)).Collect(ctx)
	assert.ErrorIs(t, err, spill.ErrCorrupt)
	assert.ErrorContains(t, err, "Sort: spill: ")
	assert.ErrorContains(t, err, "penstock-sort-")
}

// flipping is a disk on which a bit of each file changes.
type flipping struct{ fsys.OS }

func (f *flipping) CreateTemp(dir, pattern string) (fsys.File, error) {
	file, err := f.OS.CreateTemp(dir, pattern)
	return flippingFile{file}, err
}

type flippingFile struct{ fsys.File }

func (f flippingFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if n > 100 {
		b[100] ^= 4
	}
	return n, err
}

func TestSortCodecs(t *testing.T) {
	ctx := context.Background()
	requirePanics(t, "penstock: stage.Sort: cmp is nil", func() { Sort[int](ints(1), nil) })
	requirePanics(t, "penstock: stage.SpillMemory: bytes is -1, want 0 or more", func() { SpillMemory(-1) })
	byText := func(a, b error) int { return strings.Compare(a.Error(), b.Error()) }
	errs := Map(ints(500), Pure(func(v int) error { return fmt.Errorf("%04d", 7919*v%500) }))
	requirePanics(t, "penstock: stage.Sort: no codec for error: error cannot be written to a file: give it a SpillCodec",
		func() { Sort(errs, byText) })
	requirePanics(t, "penstock: stage.Sort: a SpillSize or SpillCodec is for another type: func(string) int",
		func() { Sort(ints(1), cmp.Compare[int], SpillSize(func(s string) int { return len(s) })) })

	codec := SpillCodec(func(dst []byte, v error) ([]byte, error) { return append(dst, v.Error()...), nil },
		func(src []byte) (error, error) { return errors.New(string(src)), nil })
	got, err := Sort(errs, byText, codec, SpillMemory(2000), SpillSize(func(error) int { return 50 })).Collect(ctx)
	require.NoError(t, err)
	for i, v := range got {
		require.EqualError(t, v, fmt.Sprintf("%04d", i))
	}

	bad := SpillCodec(func([]byte, int) ([]byte, error) { return nil, errBad }, func([]byte) (int, error) { return 0, nil })
	_, err = Sort(ints(500), cmp.Compare[int], bad, SpillMemory(100)).Collect(ctx)
	assert.ErrorIs(t, err, errBad)
	bad = SpillCodec(func(dst []byte, _ int) ([]byte, error) { return append(dst, 1), nil }, func([]byte) (int, error) { return 0, errBad })
	_, err = Sort(ints(500), cmp.Compare[int], bad, SpillMemory(100)).Collect(ctx)
	assert.ErrorIs(t, err, errBad)
	assert.ErrorContains(t, err, "penstock-sort-")
}

package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// witness notes what its sinks go through.
type witness struct {
	t   *testing.T
	did map[string]func() error // what is done at "open a", "write a" or "close a"

	log    []string
	causes map[string]error
	chunks map[string][]stage.Chunk[int]
}

func watch(t *testing.T, did map[string]func() error) *witness {
	t.Helper()
	return &witness{t: t, did: did, causes: map[string]error{}, chunks: map[string][]stage.Chunk[int]{}}
}

func (w *witness) note(what string) error {
	w.log = append(w.log, what)
	if do := w.did[what]; do != nil {
		return do()
	}
	return nil
}

func (w *witness) sink(name string) stage.Sink[int] { return witnessed{w, name} }

// three are the sinks a, b and c, of a Multi or of the routes 0, 1 and 2.
func (w *witness) three(multi bool) stage.Sink[int] {
	if multi {
		return sink.Multi(w.sink("a"), w.sink("b"), w.sink("c"))
	}
	return sink.Route(func(v int) string { return string("abc"[v%3]) }, w.sink, sink.MaxRoutes(3))
}

type witnessed struct {
	w    *witness
	name string
}

func (s witnessed) Open(context.Context, json.RawMessage) (stage.Writer[int], error) {
	return s, s.w.note("open " + s.name)
}

func (s witnessed) Write(_ context.Context, c *stage.Chunk[int]) error {
	s.w.chunks[s.name] = append(s.w.chunks[s.name], *c)
	*c = stage.Chunk[int]{} // it may keep what it was given
	return s.w.note("write " + s.name)
}

func (s witnessed) Close(_ context.Context, cause error) error {
	_, twice := s.w.causes[s.name]
	assert.False(s.w.t, twice, "%s is closed twice", s.name)
	s.w.causes[s.name] = cause
	return s.w.note("close " + s.name)
}

func TestMultiIsTheLoop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Int()).Draw(t, "items")
		got := make([][]int, rapid.IntRange(1, 4).Draw(t, "sinks"))
		sinks := make([]stage.Sink[int], len(got))
		for i := range sinks {
			sinks[i] = clearing{sink.Collect(&got[i])}
		}
		in := stage.Unbatch(stage.Batch(source.Slice(items), rapid.IntRange(1, 50).Draw(t, "chunk")))
		sum, err := stage.Run(t.Context(), in, sink.Multi(sinks...))
		require.NoError(t, err)
		assert.EqualValues(t, len(items), sum.Written)
		for _, each := range got {
			assert.ElementsMatch(t, items, each)
			if len(items) > 0 {
				assert.Equal(t, items, each)
			}
		}
	})
}

// clearing is a sink that leaves nothing in the chunk.
type clearing struct{ stage.Sink[int] }

func (s clearing) Open(ctx context.Context, restore json.RawMessage) (stage.Writer[int], error) {
	w, err := s.Sink.Open(ctx, restore)
	return clearingWriter{w}, err
}

type clearingWriter struct{ stage.Writer[int] }

func (w clearingWriter) Write(ctx context.Context, c *stage.Chunk[int]) error {
	err := w.Writer.Write(ctx, c)
	clear(c.Items)
	clear(c.Tokens)
	c.Reset()
	return err
}

// A chunk has what a filter would leave of it, or the whole.
func TestGroupsHandOnTokensAndOffsets(t *testing.T) {
	t.Parallel()
	tokens := []stage.Token{{At: stage.Position{Offset: 7}, First: 3, N: 4}}
	chunk := func() *stage.Chunk[int] {
		return &stage.Chunk[int]{
			Items: []int{0, 1, 3, 4}, Offsets: []int32{0, 10, 30, 40}, Tokens: append([]stage.Token(nil), tokens...),
			Block: []byte("block"), Partial: true,
		}
	}
	for multi, want := range map[bool]map[string]stage.Chunk[int]{
		false: {
			"a": {Items: []int{0, 3}, Offsets: []int32{0, 30}, Tokens: tokens, Partial: true},
			"b": {Items: []int{1, 4}, Offsets: []int32{10, 40}, Tokens: tokens, Partial: true},
		},
		true: {
			"a": {Items: []int{0, 1, 3, 4}, Offsets: []int32{0, 10, 30, 40}, Tokens: tokens, Partial: true},
			"b": {Items: []int{0, 1, 3, 4}, Offsets: []int32{0, 10, 30, 40}, Tokens: tokens, Partial: true},
			"c": {Items: []int{0, 1, 3, 4}, Offsets: []int32{0, 10, 30, 40}, Tokens: tokens, Partial: true},
		},
	} {
		w := watch(t, nil)
		writer, err := w.three(multi).Open(t.Context(), nil)
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, writer.Write(t.Context(), chunk()))
		}
		require.Len(t, w.chunks, len(want))
		for name, c := range want {
			assert.Equal(t, []stage.Chunk[int]{c, c}, w.chunks[name], "multi=%t, %s", multi, name)
		}
		one := chunk()
		one.Items, one.Offsets = []int{0, 3}, []int32{0, 30} // of one route: it is handed on as it is
		require.NoError(t, writer.Write(t.Context(), one))
		if !multi {
			assert.Equal(t, "block", string(w.chunks["a"][2].Block))
		}
		require.NoError(t, writer.Close(t.Context(), nil))
	}
}

// Whatever a sink does, all that are open are closed, in their order, once, with the
// cause.
func TestGroupsCloseAll(t *testing.T) {
	t.Parallel()
	fail := func() error { return errBoom }
	panics := func() error { panic(errBoom) }
	exits := func() error { runtime.Goexit(); return nil }
	type causes = map[string]error
	for at, want := range map[string]causes{
		"write b": {"a": errBoom, "b": errBoom, "c": errBoom},
		"close a": {"a": nil, "b": errBoom, "c": errBoom},
		"close b": {"a": nil, "b": nil, "c": errBoom},
		"close c": {"a": nil, "b": nil, "c": nil},
		"open b":  {"a": errBoom},
	} {
		for how, do := range map[string]func() error{"error": fail, "panic": panics, "Goexit": exits} {
			for _, multi := range []bool{false, true} {
				name := fmt.Sprintf("%s at %s, multi=%t", how, at, multi)
				w := watch(t, map[string]func() error{at: do})
				done, err := make(chan struct{}), error(nil)
				go func() {
					defer close(done)
					_, err = stage.Run(t.Context(), source.Range(0, 100), w.three(multi))
				}()
				<-done
				expect := errBoom
				if how == "Goexit" {
					expect = stage.ErrGoexit
				} else {
					require.ErrorIs(t, err, errBoom, name)
					who := map[bool]string{true: "sink %d", false: "route %q"}[multi]
					var arg any = at[len(at)-1:]
					if multi {
						arg = int(at[len(at)-1] - 'a')
					}
					require.ErrorContains(t, err, ": "+fmt.Sprintf(who, arg)+": ", name)
				}
				require.Len(t, w.causes, len(want), "%s: %v", name, w.log)
				closed := ""
				for _, did := range w.log {
					if did[:5] == "close" {
						closed += did[6:]
					}
				}
				assert.IsIncreasing(t, append([]byte{' '}, closed...), name)
				for each, cause := range want {
					if cause == nil {
						assert.NoError(t, w.causes[each], "%s: %s", name, each)
					} else {
						assert.ErrorIs(t, w.causes[each], expect, "%s: %s", name, each)
					}
				}
			}
		}
	}
}

// What fails when all is closed is reported of each.
func TestGroupsJoinErrors(t *testing.T) {
	t.Parallel()
	other := errors.New("and more")
	for _, multi := range []bool{false, true} {
		w := watch(t, map[string]func() error{
			"close a": func() error { return errBoom }, "close c": func() error { return other },
		})
		_, err := stage.Run(t.Context(), source.Range(0, 9), w.three(multi))
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, other)
		want := `sink: Route: route "a": boom` + "\n" + `sink: Route: route "c": and more`
		if multi {
			want = "sink: Multi: sink 0: boom\nsink: Multi: sink 2: and more"
		}
		assert.EqualError(t, err, want)
		require.ErrorIs(t, w.causes["c"], errBoom)

		// Who closes a writer that has failed as if all were well hears of it.
		w = watch(t, map[string]func() error{"write a": func() error { return errBoom }})
		writer, err := w.three(multi).Open(t.Context(), nil)
		require.NoError(t, err)
		for range 2 {
			require.ErrorIs(t, writer.Write(t.Context(), &stage.Chunk[int]{Items: []int{0, 1, 2}}), errBoom)
		}
		assert.Len(t, w.chunks, 1, "nothing more is written")
		c, ok := writer.(stage.Committer)
		require.True(t, ok)
		_, err = c.Prepare(t.Context(), 1)
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, writer.Close(t.Context(), nil), errBoom)
		require.ErrorIs(t, w.causes["a"], errBoom)
	}
}

// A sink that has had enough ends nothing for the others.
func TestGroupsHaveEnough(t *testing.T) {
	t.Parallel()
	after := func(n int) func() error {
		return func() error {
			if n--; n == 0 {
				return fmt.Errorf("it has seen it all: %w", stage.ErrEnough)
			}
			return nil
		}
	}
	for _, multi := range []bool{false, true} {
		in := stage.Unbatch(stage.Batch(source.Range(0, 300), 3))
		w := watch(t, map[string]func() error{"write a": after(2), "write b": after(4)})
		sum, err := stage.Run(t.Context(), in, w.three(multi))
		require.NoError(t, err)
		assert.False(t, sum.Enough)
		assert.EqualValues(t, 300, sum.Written)
		assert.Equal(t, []int{2, 4}, []int{len(w.chunks["a"]), len(w.chunks["b"])})
		assert.GreaterOrEqual(t, len(w.chunks["c"]), 100)
		assert.Equal(t, map[string]error{"a": nil, "b": nil, "c": nil}, w.causes)

		w = watch(t, map[string]func() error{"write a": after(2), "write b": after(4), "write c": after(5)})
		sum, err = stage.Run(t.Context(), in, w.three(multi))
		require.NoError(t, err)
		assert.True(t, sum.Enough)
		assert.Len(t, w.chunks["c"], 5)
		assert.Equal(t, map[string]error{"a": nil, "b": nil, "c": nil}, w.causes)
	}
	// Of fewer routes than there may be, others may come.
	w := watch(t, map[string]func() error{"write a": after(1)})
	sum, err := stage.Run(t.Context(), source.Range(0, 300), sink.Route(func(int) string { return "a" }, w.sink))
	require.NoError(t, err)
	assert.False(t, sum.Enough)
	assert.Len(t, w.chunks["a"], 1)
}

// A run ends while one of several sinks waits.
func TestGroupsAreCancelledWhileASinkWaits(t *testing.T) {
	t.Parallel()
	for _, multi := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			w := watch(t, nil)
			waits := sink.Chan(make(chan int))
			s := sink.Multi(w.sink("a"), waits, w.sink("c"))
			if !multi {
				s = sink.Route(func(v int) string { return string("ab"[v%2]) }, func(route string) stage.Sink[int] {
					if route == "b" {
						return waits
					}
					return w.sink(route)
				})
			}
			done := make(chan error, 1)
			go func() {
				_, err := stage.Run(ctx, source.Range(0, 100), s)
				done <- err
			}()
			synctest.Wait()
			assert.Empty(t, done)
			cancel(errBoom)
			require.ErrorIs(t, <-done, errBoom)
			require.ErrorIs(t, w.causes["a"], errBoom)
		})
	}
}

// Two sinks of a run that write to one file are an error, and leave it as it was.
func TestTwoSinksOfOneFile(t *testing.T) {
	t.Parallel()
	const text = "another sink of the run writes to it"
	dir := t.TempDir()
	path := filepath.Join(dir, "x.ndjson")
	one := func(opts ...sink.FileOption) stage.Sink[int] { return sink.NDJSON[int](path, opts...) }
	by := sink.By("n", func(int) string { return "1" })
	parts := func() stage.Sink[int] { return sink.Partitioned(dir, "p", sink.NDJSONEncoder[int](), by) }
	for name, s := range map[string]stage.Sink[int]{
		"route":       sink.Route(parity, func(string) stage.Sink[int] { return one() }),
		"append":      sink.Multi(one(sink.Append()), one(sink.Append())),
		"parts":       sink.Multi(one(sink.MaxBytes(9)), one(sink.MaxBytes(9))),
		"partitioned": sink.Multi(parts(), parts()),
		"nested":      sink.Multi(sink.Route(parity, numbered(dir)), sink.Multi(sink.NDJSON[int](filepath.Join(dir, "even.ndjson")))),
	} {
		_, err := stage.Run(t.Context(), source.Range(0, 9), s)
		require.ErrorContains(t, err, text, name)
		assert.Empty(t, filesOf(t, dir), name)
		_, err = stage.Run(t.Context(), source.Range(0, 9), s, stage.Checkpoint(checkpoint.File(filepath.Join(t.TempDir(), "job")), 0))
		require.ErrorContains(t, err, text, name)
		for file := range filesOf(t, dir) { // what a checkpoint speaks of
			assert.Contains(t, file, ".unfinished", name)
			require.NoError(t, os.Remove(filepath.Join(dir, file)))
		}
	}
	_, err := stage.RunAll(t.Context(), stage.To(source.Range(0, 9), one()), stage.To(source.Range(0, 9), one()))
	require.ErrorContains(t, err, text)
	_, err = stage.Run(t.Context(), source.Range(0, 9), one(), stage.DeadLetter(sink.DeadLetters(path), 0))
	require.ErrorContains(t, err, text)
	assert.Empty(t, filesOf(t, dir))
	type row struct {
		N int `parquet:"n"`
	}
	rows := parquet.Sink[row](path)
	_, err = stage.Run(t.Context(), source.Of(row{1}), sink.Multi(rows, sink.NDJSON[row](path)))
	require.ErrorContains(t, err, text)
	_, err = stage.Run(t.Context(), source.Of(row{1}), sink.Multi(rows, rows))
	require.ErrorContains(t, err, text)
	assert.Empty(t, filesOf(t, dir))
	_, err = stage.Run(t.Context(), source.Range(0, 9), sink.Multi(one(), one(sink.MaxBytes(4))))
	require.NoError(t, err, "other names")
}

// The memory of blocks is used again when all have released it, and not before.
func TestBlocksOfSeveralHolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 20_000
	blocks := func() stage.Stream[stage.Block] {
		return pool.Encode(pool.New(2), source.Range(0, n), sink.NDJSONEncoder[int](), pool.ChunkSize(64))
	}
	file := func(name string) stage.Sink[stage.Block] { return sink.File(filepath.Join(dir, name)) }
	_, err := stage.Run(t.Context(), blocks(), sink.Multi(file("a"), file("b"), file("c")))
	require.NoError(t, err)
	branches := stage.Tee(blocks(), 2)
	_, err = stage.RunAll(t.Context(), stage.To(branches[0], file("d")), stage.To(branches[1], file("e")))
	require.NoError(t, err)
	_, err = stage.Run(t.Context(), source.Range(0, n), sink.NDJSON[int](filepath.Join(dir, "want")))
	require.NoError(t, err)
	files := filesOf(t, dir)
	require.Len(t, files, 6)
	for name, text := range files {
		if text != files["want"] {
			assert.Fail(t, "the file is not what one sink writes", name)
		}
	}
}

func TestGroupArguments(t *testing.T) {
	t.Parallel()
	for want, fn := range map[string]func(){
		"penstock: sink.Route: by is nil":                   func() { sink.Route(nil, numbered("")) },
		"penstock: sink.Route: open is nil":                 func() { sink.Route[int](parity, nil) },
		"penstock: sink.Route: option 1 is nil":             func() { sink.Route(parity, numbered(""), sink.MaxRoutes(0), nil) },
		"penstock: sink.MaxRoutes: n is -1, want 0 or more": func() { sink.MaxRoutes(-1) },
		"penstock: sink.Multi: there is no sink":            func() { sink.Multi[int]() },
		"penstock: sink.Multi: sink 1 is nil":               func() { sink.Multi(sink.Discard[int](), nil) },
	} {
		assert.PanicsWithValue(t, want, fn)
	}
	assert.Equal(t, "Route", fmt.Sprint(sink.Route(parity, numbered(""))))
	assert.Equal(t, "Multi(2 sinks)", fmt.Sprint(sink.Multi(sink.Discard[int](), sink.Discard[int]())))
}

package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// job is a random job: what every verb makes of it must be what the sequential
// loop makes of it.
type job struct {
	n       int
	blocks  bool
	lens    []int // what the source has at hand, pull by pull
	sized   bool
	apart   bool
	end     error
	records every // fail in the source
	broken  int   // the line before which a block cannot be filled, or -1

	fails, panics every
	pause         []int // how long items take, in units
	bubble        bool  // in fake time

	workers   int
	unordered bool
	opts      []pool.Option
	limits    []int // of the consumer's pulls
}

// every is a set of numbers: those that leave rest when divided by mod.
type every struct{ mod, rest int }

func (e every) has(i int) bool { return e.mod > 0 && i%e.mod == e.rest }

func drawEvery(r *rapid.T, what string) every {
	e := every{mod: rapid.SampledFrom([]int{0, 0, 1, 2, 3, 7, 40}).Draw(r, what)}
	if e.mod > 1 {
		e.rest = rapid.IntRange(0, e.mod-1).Draw(r, what+" rest")
	}
	return e
}

func drawJob(r *rapid.T) *job {
	j := &job{
		n:       rapid.IntRange(0, 300).Draw(r, "items"),
		blocks:  rapid.Bool().Draw(r, "blocks"),
		lens:    rapid.SliceOfN(rapid.IntRange(0, 25), 0, 8).Draw(r, "source chunks"),
		sized:   rapid.Bool().Draw(r, "sized"),
		apart:   rapid.Bool().Draw(r, "end apart"),
		end:     rapid.SampledFrom([]error{nil, nil, errSource}).Draw(r, "end"),
		records: drawEvery(r, "bad records"),
		broken:  -1,
		fails:   drawEvery(r, "bad items"),
		panics:  drawEvery(r, "panics"),
		pause:   rapid.SliceOfN(rapid.IntRange(0, 30), 1, 5).Draw(r, "pauses"),
		bubble:  rapid.Bool().Draw(r, "fake time"),

		workers:   rapid.IntRange(1, 6).Draw(r, "workers"),
		unordered: rapid.Bool().Draw(r, "unordered"),
		limits:    rapid.SliceOfN(rapid.IntRange(0, 12), 1, 4).Draw(r, "limits"),
	}
	if sum(j.lens) == 0 {
		j.lens = nil
	}
	j.opts = options(j.unordered,
		pool.ChunkSize(rapid.SampledFrom([]int{0, 0, 1, 2, 5, 16, 1000}).Draw(r, "chunk")),
		pool.InFlight(rapid.SampledFrom([]int{0, 0, 1, 2, 7, 64}).Draw(r, "in flight")),
		pool.InFlightBytes(rapid.SampledFrom([]int64{0, 0, 1, 50, 1000}).Draw(r, "bytes")))
	return j
}

func sum(s []int) (total int) {
	for _, v := range s {
		total += v
	}
	return total
}

func (j *job) source() stage.Stream[int] {
	var lens func(int) int
	if j.lens != nil {
		lens = func(pull int) int { return j.lens[pull%len(j.lens)] }
	}
	if !j.blocks {
		return (&feed{n: j.n, end: j.end, apart: j.apart, lens: lens, sized: j.sized, fails: j.records.has}).stream()
	}
	b := &blocks{n: j.n, lens: lens, fails: j.records.has}
	b.broken = func(i int) bool { return i == j.broken }
	b.fill = func(ctx context.Context, i int) { j.wait(ctx, i/2) }
	return b.stream()
}

// ending is what the source ends with, and how many records it has until then.
func (j *job) ending() (records int, end error) {
	if j.blocks {
		return j.n, io.EOF // blocks have errors of their own
	}
	if j.end == nil {
		return j.n, io.EOF
	}
	return j.n, j.end
}

// wait takes an item's time.
func (j *job) wait(ctx context.Context, i int) {
	units := j.pause[i%len(j.pause)]
	if j.bubble {
		_ = nap(ctx, time.Duration(units)*time.Millisecond) // its end is noticed elsewhere
		return
	}
	for range units {
		runtime.Gosched()
	}
}

// item is what the functions of all verbs do at first.
func (j *job) item(ctx context.Context, i int) error {
	j.wait(ctx, i)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case j.panics.has(i):
		panic(errItem)
	case j.fails.has(i):
		return errItem
	}
	return nil
}

// verb is a lazy verb, and what it makes of one item.
type verb struct {
	name  string
	bulk  bool
	run   func(*job, *pool.Pool, stage.Stream[int], ...pool.Option) stage.Stream[int]
	makes func(i int) []int
}

func one(i int) []int { return []int{3*i + 1} }

var verbs = []verb{
	{name: "Imap", makes: one, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.Imap(p, in, func(ctx context.Context, i int) (int, error) { return 3*i + 1, j.item(ctx, i) }, opts...)
	}},
	{name: "StarImap", makes: one, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.StarImap(p, twins(in), func(ctx context.Context, i, k int) (int, error) { return 2*i + k + 1, j.item(ctx, i) }, opts...)
	}},
	{name: "ImapWith", makes: one, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.ImapWith(p, in, func(context.Context) (*int32, error) { return new(int32), nil },
			func(ctx context.Context, busy *int32, i int) (int, error) {
				if !atomic.CompareAndSwapInt32(busy, 0, 1) {
					return 0, errors.New("two use one state")
				}
				defer atomic.StoreInt32(busy, 0)
				return 3*i + 1, j.item(ctx, i)
			}, append(opts, pool.RecycleAfter(j.workers))...)
	}},
	{name: "FilterMap", makes: func(i int) []int {
		if i%3 == 0 {
			return nil
		}
		return one(i)
	}, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.FilterMap(p, in, func(ctx context.Context, i int) (int, bool, error) { return 3*i + 1, i%3 != 0, j.item(ctx, i) }, opts...)
	}},
	{name: "FlatMap", makes: func(i int) (out []int) {
		for k := range i % 4 {
			out = append(out, 10*i+k)
		}
		return out
	}, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.FlatMap(p, in, func(ctx context.Context, i int, emit func(int)) error {
			for k := range i % 4 {
				emit(10*i + k)
			}
			return j.item(ctx, i)
		}, opts...)
	}},
	{name: "MapChunks", bulk: true, makes: one, run: func(j *job, p *pool.Pool, in stage.Stream[int], opts ...pool.Option) stage.Stream[int] {
		return pool.MapChunks(p, in, func(ctx context.Context, in []int) (out []int, err error) {
			for _, i := range in {
				err = errors.Join(err, j.item(ctx, i))
				out = append(out, one(i)...)
			}
			return out, err
		}, opts...)
	}},
}

// sequential is what the loop that is the model makes of the job: in words, so
// that sets of them can be compared.
func (j *job) sequential(v *verb) (events []string) {
	entered := 0
	for i := range j.n {
		if j.records.has(i) {
			events = append(events, fmt.Sprintf("bad record %d", i))
			continue
		}
		if j.fails.has(i) || j.panics.has(i) {
			events = append(events, fmt.Sprintf("bad item %d: record %d, panic %t", entered, i, j.panics.has(i)))
		} else {
			for _, out := range v.makes(i) {
				events = append(events, fmt.Sprint("item ", out))
			}
		}
		entered++
	}
	return events
}

// observed says the same of what came out.
func observed(t require.TestingT, v *verb, o *outcome[int]) (events []string) {
	for _, e := range o.events {
		switch {
		case e.err == nil:
			events = append(events, fmt.Sprint("item ", e.item))
		case errors.Is(e.err, errRecord):
			events = append(events, fmt.Sprintf("bad record %d", e.err.At.Record))
		default:
			require.ErrorIs(t, e.err, errItem)
			require.Equal(t, v.name, e.err.Stage)
			var p *stage.PanicError
			panicked := errors.As(e.err, &p)
			require.Equal(t, panicked, len(e.err.Stack) > 0)
			record := e.err.At.Record
			if v.name != "StarImap" {
				require.EqualValues(t, record, e.err.Input)
			}
			events = append(events, fmt.Sprintf("bad item %d: record %d, panic %t", e.err.Index, record, panicked))
		}
	}
	return events
}

// in runs f in fake time, if the job is to be run so.
func (j *job) in(t *testing.T, f func()) {
	t.Helper()
	if !j.bubble {
		f()
		return
	}
	var failed any
	synctest.Test(t, func(*testing.T) {
		defer func() { failed = recover() }() // rapid fails by panicking, in its own goroutine
		f()
	})
	if failed != nil {
		panic(failed)
	}
}

func TestProperty_VerbsAreTheSequentialLoop(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				j := drawJob(r)
				if v.bulk { // an item that fails takes its chunk with it
					j.fails, j.panics = every{}, every{}
				}
				var o outcome[int]
				var closed error
				j.in(t, func() {
					p := pool.New(j.workers)
					pull := -1
					o = drain(r, v.run(j, p, j.source(), j.opts...), func() int { pull++; return j.limits[pull%len(j.limits)] })
					closed = p.Wait()
				})
				require.NoError(r, closed)
				_, end := j.ending()
				require.ErrorIs(r, o.end, end)
				want, got := j.sequential(&v), observed(r, &v, &o)
				if j.unordered {
					slices.Sort(want)
					slices.Sort(got)
				}
				require.Equal(r, want, got)
				requireTokens(r, j.n, o.tokens)
			})
		})
	}
}

func TestProperty_CollectingVerbsAreTheSequentialLoop(t *testing.T) {
	for _, v := range collecting {
		t.Run(v.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				j := drawJob(r)
				// Failures are rarer here: the first ends it all.
				j.records.mod, j.fails.mod, j.panics.mod = j.records.mod*50, j.fails.mod*50, j.panics.mod*50
				j.unordered = false
				if rapid.IntRange(0, 3).Draw(r, "broken") == 0 {
					j.broken = rapid.IntRange(0, 300).Draw(r, "broken before")
				}
				var got []int
				var err error
				j.in(t, func() {
					p := pool.New(j.workers)
					got, err = v.run(context.Background(), p, j.source(), func(ctx context.Context, i int) (int, error) {
						return i, j.item(ctx, i)
					}, j.opts[:3]...)
					require.NoError(r, p.Wait())
				})
				var e *stage.ItemError
				want := []int{}
				for i := range j.n {
					switch {
					case j.blocks && i == j.broken:
						require.ErrorIs(r, err, errSource)
						require.NotErrorAs(r, err, &e)
					case j.records.has(i):
						require.ErrorIs(r, err, errRecord)
						require.ErrorAs(r, err, &e)
						require.EqualValues(r, i, e.Index)
					case j.panics.has(i) || j.fails.has(i):
						require.ErrorIs(r, err, errItem)
						require.ErrorAs(r, err, &e)
						require.EqualValues(r, i, e.Index)
					default:
						want = append(want, i)
						continue
					}
					require.Nil(r, got)
					return
				}
				if _, end := j.ending(); end != io.EOF {
					require.ErrorIs(r, err, errSource)
					require.Nil(r, got)
					return
				}
				require.NoError(r, err)
				require.Equal(r, want, got)
			})
		})
	}
}

// stopping is a sink that ends the run in some way after so many items.
type stopping struct {
	after   int
	how     string
	stop    func(string) error
	written int
}

func (s *stopping) Open(context.Context, json.RawMessage) (stage.Writer[int], error) { return s, nil }

func (s *stopping) Write(_ context.Context, c *stage.Chunk[int]) error {
	s.written += len(c.Items)
	if s.written > s.after {
		err := s.stop(s.how)
		s.how = ""
		return err
	}
	return nil
}

func (s *stopping) Close(context.Context, error) error { return nil }

// The counters of every stage add up, however the run ends, and a stage took in
// what the one before gave out.
func TestProperty_SummaryAddsUp(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		j := drawJob(r)
		j.n *= rapid.SampledFrom([]int{1, 1, 10}).Draw(r, "times")
		chain := rapid.SliceOfN(rapid.SampledFrom(verbs), 1, 3).Draw(r, "stages")
		how := rapid.SampledFrom([]string{"", "write error", "cancel", "Close", "Terminate", "take", "stop"}).Draw(r, "ends by")
		after := rapid.IntRange(0, 2*j.n).Draw(r, "after")
		if rapid.Bool().Draw(r, "block is broken") {
			j.broken = rapid.IntRange(0, 300).Draw(r, "broken before")
		}
		var sum stage.Summary
		var err error
		var sink *stopping
		j.in(t, func() {
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			p := pool.New(j.workers)
			s := j.source()
			for i := range chain {
				s = chain[i].run(j, p, s, j.opts...)
			}
			if how == "take" {
				s = s.Take(after)
			}
			sink = &stopping{after: after, how: how, stop: func(how string) error {
				switch how {
				case "write error":
					return errItem
				case "cancel":
					cancel(errCause)
				case "Close":
					p.Close()
				case "Terminate":
					p.Terminate()
				}
				return nil
			}}
			policy := stage.Continue(0)
			if how == "stop" {
				policy = stage.Stop()
			}
			sum, err = stage.Run(ctx, s, sink, policy)
			require.NoError(r, p.Wait())
		})
		clean := err == nil && how != "take"
		require.LessOrEqual(r, sum.Written, int64(sink.written))
		out := int64(-1)
		for _, st := range sum.Stages {
			require.Equal(r, st.In+st.Expanded, st.Out+st.Filtered+st.Failed+st.Merged+st.Abandoned, "%s\n%v", st.Name, sum)
			for _, v := range []int64{st.In, st.Out, st.Filtered, st.Failed, st.Expanded, st.Merged, st.Abandoned} {
				require.GreaterOrEqual(r, v, int64(0), "%v", sum)
			}
			if out >= 0 {
				require.Equal(r, out, st.In, "%s took in what came out before\n%v", st.Name, sum)
			}
			if clean {
				require.Zero(r, st.Abandoned, "%v", sum)
			}
			out = st.Out
		}
		if clean {
			require.Equal(r, sum.Written, out)
		}
		if err != nil && how == "" {
			require.ErrorIs(r, err, errSource)
		}
	})
}

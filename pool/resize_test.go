package pool_test

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

func TestResize_Arguments(t *testing.T) {
	p := pool.New(3)
	require.Equal(t, 3, p.Workers())
	p.Resize(5)
	require.Equal(t, 5, p.Workers())
	p.Resize(0)
	require.Equal(t, runtime.GOMAXPROCS(0), p.Workers())
	requirePanic(t, func() { p.Resize(-1) }, "Resize", "workers", "-1")
	p.Terminate()
	p.Resize(2)
	require.Equal(t, 2, p.Workers())
}

// When the chunks at hand are done, as many functions run as the pool has workers.
func TestResize_UpAndDownWhileRunning(t *testing.T) {
	for _, verb := range lazyVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2)
				var running atomic.Int32
				step := make(chan struct{})
				s := verb.of(p, numbers(noEnd).stream(), func(ctx context.Context, i int) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					select {
					case <-step:
					case <-ctx.Done():
					}
					return i, nil
				}, pool.ChunkSize(1))
				up, err := s.Open(t.Context())
				require.NoError(t, err)
				done := make(chan struct{})
				go func() {
					defer close(done)
					var c stage.Chunk[int]
					for up.Pull(context.Background(), &c, stage.Limit{}) == nil {
					}
				}()
				for _, n := range []int{2, 6, 1, 4, 3, 2, 8} {
					p.Resize(n)
					for range 40 { // chunks that end; those at hand are among the first
						synctest.Wait()
						if running.Load() > 0 {
							step <- struct{}{}
						}
					}
					synctest.Wait()
					require.EqualValues(t, n, running.Load())
				}
				p.Terminate()
				<-done
				require.NoError(t, up.Close())
				require.NoError(t, p.Wait())
			})
		})
	}
}

// Tasks that wait for tasks go on when there is one worker left.
func TestResize_NestedTasksGoOn(t *testing.T) {
	p := pool.New(4)
	got, err := pool.Map(t.Context(), p, countTo(50), func(ctx context.Context, i int) (int, error) {
		p.Resize(1 + i%4)
		inner, err := pool.Map(ctx, p, countTo(5), func(_ context.Context, k int) (int, error) {
			p.Resize(1)
			return i + k, nil
		})
		return sum(inner), err
	})
	require.NoError(t, err)
	require.Len(t, got, 50)
	for i, v := range got {
		require.Equal(t, 5*i+10, v)
	}
}

// However the pool is resized meanwhile, every verb is the sequential loop.
func TestProperty_ResizedVerbsAreTheSequentialLoop(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		j := drawJob(r)
		j.panics = every{}
		v := rapid.SampledFrom(verbs).Draw(r, "verb")
		if v.bulk {
			j.fails = every{}
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 12), 1, 6).Draw(r, "workers over time")
		var o outcome[int]
		j.in(t, func() {
			p := pool.New(j.workers)
			pull := -1
			o = drain(r, v.run(j, p, j.source(), j.opts...), func() int {
				pull++
				p.Resize(sizes[pull%len(sizes)])
				return j.limits[pull%len(j.limits)]
			})
			require.NoError(r, p.Wait())
			require.Equal(r, sizes[pull%len(sizes)], p.Workers())
		})
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
}

func TestProperty_ResizedImapKeyed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, 500).Draw(r, "items")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 12), 1, 6).Draw(r, "workers over time")
		p := pool.New(2)
		pull := -1
		o := drain(r, pool.ImapKeyed(p, numbers(n).stream(), func(i int) int { return i % 7 }, same), func() int {
			pull++
			p.Resize(sizes[pull%len(sizes)])
			return 3
		})
		require.ErrorIs(r, o.end, io.EOF)
		last := map[int]int{}
		for _, v := range o.items() {
			require.GreaterOrEqual(r, v, last[v%7])
			last[v%7] = v
		}
		require.Len(r, o.items(), n)
	})
}

package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// work is what a task does: it returns how many leaves it has run.
type work func(ctx context.Context) (int, error)

// nesting is a way to run something several times in a pool and to wait for it
// with the context of the task that one is in.
type nesting struct {
	name string
	run  func(ctx context.Context, p *pool.Pool, do work) (int, error)
}

// total adds up what a stream yields.
func total(ctx context.Context, s stage.Stream[int]) (n int, err error) {
	for v, err := range s.All(ctx) {
		if err != nil {
			return n, err
		}
		n += v
	}
	return n, nil
}

func addUp(counts []int, err error) (n int, _ error) {
	for _, c := range counts {
		n += c
	}
	return n, err
}

// adder is a sink that adds up.
type adder struct{ n int }

func (a *adder) Open(context.Context, json.RawMessage) (stage.Writer[int], error) { return a, nil }

func (a *adder) Write(_ context.Context, c *stage.Chunk[int]) error {
	for _, v := range c.Items {
		a.n += v
	}
	return nil
}

func (a *adder) Close(_ context.Context, cause error) error { return cause }

// nestings are all the ways to wait inside a task, each for so many runs.
func nestings(fanOut int) []nesting {
	each := func(do work) func(context.Context, int) (int, error) {
		return func(ctx context.Context, _ int) (int, error) { return do(ctx) }
	}
	star := func(do work) func(context.Context, int, int) (int, error) {
		return func(ctx context.Context, _, _ int) (int, error) { return do(ctx) }
	}
	all := []nesting{
		{"Map", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.Map(ctx, p, countTo(fanOut), each(do)))
		}},
		{"Map in chunks", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.Map(ctx, p, countTo(fanOut), each(do), pool.ChunkSize(2)))
		}},
		{"Starmap", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.Starmap(ctx, p, pairsTo(fanOut), star(do)))
		}},
		{"MapAsync", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.MapAsync(ctx, p, countTo(fanOut), each(do)).Get(ctx))
		}},
		{"StarmapAsync", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.StarmapAsync(ctx, p, pairsTo(fanOut), star(do)).Get(ctx))
		}},
		{"Reduce", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return pool.Reduce(ctx, p, countTo(fanOut), func() int { return 0 },
				func(ctx context.Context, n, _ int) (int, error) {
					m, err := do(ctx)
					return n + m, err
				}, func(a, b int) (int, error) { return a + b, nil })
		}},
		{"Apply", func(ctx context.Context, p *pool.Pool, do work) (n int, err error) {
			for range fanOut {
				m, err := pool.Apply(ctx, p, do)
				if err != nil {
					return n, err
				}
				n += m
			}
			return n, nil
		}},
		{"ApplyAsync", func(ctx context.Context, p *pool.Pool, do work) (n int, err error) {
			var results []*pool.Result[int]
			for range fanOut {
				results = append(results, pool.ApplyAsync(ctx, p, do))
			}
			for _, r := range slices.Backward(results) {
				m, err := r.Get(ctx)
				if err != nil {
					return n, err
				}
				n += m
			}
			return n, nil
		}},
		{"MapChunks", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return total(ctx, pool.MapChunks(p, countTo(fanOut), func(ctx context.Context, in []int) (out []int, err error) {
				for range in {
					n, err := do(ctx)
					if err != nil {
						return nil, err
					}
					out = append(out, n)
				}
				return out, nil
			}, pool.ChunkSize(2)))
		}},
		{"Collect", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return addUp(pool.Imap(p, countTo(fanOut), each(do)).Collect(ctx))
		}},
		{"Run", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			var sum adder
			_, err := stage.Run(ctx, pool.Imap(p, countTo(fanOut), each(do)), &sum)
			return sum.n, err
		}},
		{"chain of pool stages", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			s := pool.Imap(p, pool.Imap(p, countTo(fanOut), identity), identity, pool.InFlight(1))
			return total(ctx, pool.ImapUnordered(p, s, each(do)))
		}},
		{"task upstream in a chain", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			s := pool.Imap(p, countTo(fanOut), each(do), pool.InFlight(1))
			return total(ctx, pool.ImapUnordered(p, s, identity))
		}},
		{"sequential stage upstream", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			s := stage.Map(countTo(fanOut), func(ctx context.Context, _ int) (int, error) { return pool.Apply(ctx, p, do) })
			return total(ctx, pool.Imap(p, s, identity))
		}},
		{"sequential stage downstream", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			s := pool.Imap(p, countTo(fanOut), identity)
			return total(ctx, stage.Map(s, func(ctx context.Context, _ int) (int, error) { return pool.Apply(ctx, p, do) }))
		}},
		{"body of a range", func(ctx context.Context, p *pool.Pool, do work) (n int, err error) {
			for _, err := range pool.Imap(p, countTo(fanOut), identity).All(ctx) {
				if err != nil {
					return n, err
				}
				m, err := pool.Apply(ctx, p, do)
				if err != nil {
					return n, err
				}
				n += m
			}
			return n, nil
		}},
		{"early break", func(ctx context.Context, p *pool.Pool, do work) (n int, err error) {
			done := 0
			for v, err := range pool.Imap(p, endless(), func(ctx context.Context, i int) (int, error) {
				if i < fanOut {
					return do(ctx)
				}
				return 0, nil
			}).All(ctx) {
				if err != nil {
					return n, err
				}
				n += v
				if done++; done == fanOut {
					break
				}
			}
			return n, nil
		}},
		{"goroutines that call Apply", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			var n atomic.Int64
			var g together
			for range fanOut {
				g.Go(func() error {
					m, err := pool.Apply(ctx, p, do)
					n.Add(int64(m))
					return err
				})
			}
			err := g.Wait()
			return int(n.Load()), err
		}},
		{"goroutines that call Map", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			var n atomic.Int64
			var g together
			for _, items := range []int{0, 1, fanOut - 1} {
				g.Go(func() error {
					m, err := addUp(pool.Map(ctx, p, countTo(items), each(do)))
					n.Add(int64(m))
					return err
				})
			}
			err := g.Wait()
			return int(n.Load()), err
		}},
		{"goroutines and the task itself", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			var n atomic.Int64
			var g together
			for range fanOut - 1 {
				g.Go(func() error {
					m, err := total(ctx, pool.Imap(p, countTo(1), each(do)))
					n.Add(int64(m))
					return err
				})
			}
			m, err := pool.ApplyAsync(ctx, p, do).Get(ctx)
			n.Add(int64(m))
			err = errors.Join(err, g.Wait())
			return int(n.Load()), err
		}},
		{"derived context", func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return addUp(pool.Map(context.WithValue(ctx, new(int), 1), p, countTo(fanOut), each(do)))
		}},
	}
	for _, verb := range lazyVerbs() {
		all = append(all, nesting{verb.name, func(ctx context.Context, p *pool.Pool, do work) (int, error) {
			return total(ctx, verb.of(p, countTo(fanOut), each(do)))
		}})
	}
	return all
}

// nest runs leaves under the nestings, the first of which is the outermost, in
// the pools, one a level.
func nest(ctx context.Context, levels []nesting, pools []*pool.Pool, leaf func(ctx context.Context, p *pool.Pool) (int, error)) (int, error) {
	p := pools[len(levels)%len(pools)]
	return levels[0].run(ctx, p, func(ctx context.Context) (int, error) {
		if len(levels) == 1 {
			return leaf(ctx, p)
		}
		return nest(ctx, levels[1:], pools, leaf)
	})
}

// leaves are counted and measured.
type leaves struct {
	gauges map[*pool.Pool]*runGauge
}

func newLeaves(pools []*pool.Pool) leaves {
	l := leaves{map[*pool.Pool]*runGauge{}}
	for _, p := range pools {
		l.gauges[p] = &runGauge{}
	}
	return l
}

func (l leaves) run(ctx context.Context, p *pool.Pool) (int, error) {
	defer l.gauges[p].enter()()
	select {
	case <-time.After(time.Millisecond):
		return 1, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// check says that no pool ran more leaves at once than it has workers, that
// every slot is back, and that so many leaves ran, unless count is negative.
func (l leaves) check(t *testing.T, count int) {
	t.Helper()
	n := 0
	for p, gauge := range l.gauges {
		assert.LessOrEqual(t, gauge.peak.Load(), int64(p.Workers()), "functions at once")
		n += int(gauge.calls.Load())
		requireAllSlots(t, p, p.Workers())
	}
	if count >= 0 {
		assert.Equal(t, count, n, "leaves that ran")
	}
}

func TestR9_NestedUse(t *testing.T) {
	for _, c := range []struct{ fanOut, depth, workers int }{
		{3, 1, 1}, {3, 1, 2}, {3, 2, 1}, {3, 2, 2}, {3, 3, 1}, {3, 3, 2}, {2, 4, 1}, {2, 4, 3}, {2, 5, 1}, {2, 5, 2},
	} {
		for _, n := range nestings(c.fanOut) {
			t.Run(fmt.Sprintf("%s/%d deep/%d workers", n.name, c.depth, c.workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pools := []*pool.Pool{pool.New(c.workers)}
					l := newLeaves(pools)
					want := 1
					for range c.depth {
						want *= c.fanOut
					}
					count, err := nest(context.Background(), slices.Repeat([]nesting{n}, c.depth), pools, l.run)
					require.NoError(t, err)
					assert.Equal(t, want, count)
					l.check(t, want)
				})
			})
		}
	}
}

func TestR9_MixedNesting(t *testing.T) {
	ways := nestings(2)
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // a deadline is for the real clock
			var levels []nesting
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(ways)-1), 1, 5).Draw(rt, "levels") {
				levels = append(levels, ways[i])
				rt.Log(ways[i].name)
			}
			workers := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 3).Draw(rt, "workers of the pools")
			calls := rapid.IntRange(1, 3).Draw(rt, "calls")
			var pools []*pool.Pool
			for _, n := range workers {
				pools = append(pools, pool.New(n))
			}
			l := newLeaves(pools)
			want := calls << len(levels)
			var g together
			var got atomic.Int64
			for range calls {
				g.Go(func() error {
					n, err := nest(context.Background(), levels, pools, l.run)
					got.Add(int64(n))
					return err
				})
			}
			require.NoError(rt, g.Wait())
			require.EqualValues(rt, want, got.Load())
			l.check(t, want)
		})
	})
}

// A task of one pool that waits for another pool lends its slot as well.
func TestR9_PoolsThatCallEachOther(t *testing.T) {
	for _, n := range nestings(3) {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pools := []*pool.Pool{pool.New(1), pool.New(1)}
				l := newLeaves(pools)
				var g together
				for range 3 { // more calls than slots, so that there are lines at both pools
					g.Go(func() error {
						count, err := nest(context.Background(), slices.Repeat([]nesting{n}, 3), pools, l.run)
						assert.Equal(t, 27, count)
						return err
					})
				}
				require.NoError(t, g.Wait())
				l.check(t, 3*27)
			})
		})
	}
}

// When a nested call is cancelled, all that waits resolves and lends no more.
func TestR9_CancelledNesting(t *testing.T) {
	cause := errors.New("enough")
	for _, n := range nestings(3) {
		for _, workers := range []int{1, 2} {
			for _, how := range []string{"cancel", "terminate"} {
				t.Run(fmt.Sprintf("%s/%d workers/%s", n.name, workers, how), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						pools := []*pool.Pool{pool.New(workers), pool.New(workers)}
						l := newLeaves(pools)
						ctx, cancel := context.WithCancelCause(context.Background())
						defer cancel(nil)
						time.AfterFunc(7500*time.Microsecond, func() {
							if how == "cancel" {
								cancel(cause)
								return
							}
							pools[0].Terminate()
							pools[1].Terminate()
						})
						_, err := nest(ctx, slices.Repeat([]nesting{n}, 3), pools, l.run)
						if how == "cancel" {
							require.ErrorIs(t, err, cause)
							l.check(t, -1)
							return
						}
						require.ErrorIs(t, err, pool.ErrTerminated)
						require.NoError(t, pools[0].Wait())
						require.NoError(t, pools[1].Wait())
					})
				})
			}
		}
	}
}

// What a live task does on its own pool is part of its work, which Close lets
// run to its end.
func TestR9_NestedAfterClose(t *testing.T) {
	for _, n := range nestings(2) {
		for _, when := range []string{"before", "during"} {
			for _, pools := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s/%s the nested call/%d pools", n.name, when, pools), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var ps []*pool.Pool
						for range pools {
							ps = append(ps, pool.New(2))
						}
						l := newLeaves(ps)
						shut := func() {
							ps[0].Close()
						}
						top := ps[0] // an eager call on it was accepted
						if when == "during" {
							time.AfterFunc(1500*time.Microsecond, shut)
						}
						counts, err := pool.Map(context.Background(), top, countTo(2), func(ctx context.Context, _ int) (int, error) {
							if when == "before" {
								shut()
							}
							return nest(ctx, slices.Repeat([]nesting{n}, 3), ps, l.run)
						})
						require.NoError(t, err)
						assert.Equal(t, []int{8, 8}, counts)
						for p, gauge := range l.gauges {
							assert.LessOrEqual(t, gauge.peak.Load(), int64(2))
							require.NoError(t, p.Wait())
						}
						_, err = pool.Apply(context.Background(), top, func(context.Context) (int, error) { return 1, nil })
						require.ErrorIs(t, err, pool.ErrClosed, "what is no task's work is refused")
					})
				})
			}
		}
	}
}

package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
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

// ---- async calls made in a task

func TestR9_ApplyAsyncInTaskRunsAtLatestWhenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		var order []string
		_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
			for i := range 100 { // ahead of it in the line
				pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
					order = append(order, fmt.Sprintf("other %d", i))
					return 0, nil
				})
			}
			r := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
				order = append(order, "own")
				return 7, nil
			})
			synctest.Wait()
			assert.Empty(t, order, "the task has the only slot")
			assert.False(t, r.Ready())
			v, err := r.Get(ctx)
			assert.Equal(t, 7, v)
			assert.NoError(t, err)
			assert.Equal(t, "own", order[0], "on the task's slot, whoever else waits")
			order = append(order, "task")
			v, err = r.Get(ctx)
			assert.Equal(t, 7, v)
			return v, err
		})
		require.NoError(t, err)
		require.NoError(t, p.Wait())
		assert.Len(t, order, 102)
		requireAllSlots(t, p, 1)
	})
}

// The same for the other async verbs: the task's slot goes to them first.
func TestR9_MapAsyncInTaskRunsAtLatestWhenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		var order []string
		_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
			for i := range 20 { // ahead of it in the line
				pool.MapAsync(context.Background(), p, countTo(1), func(context.Context, int) (int, error) {
					order = append(order, fmt.Sprintf("other %d", i))
					return 0, nil
				})
			}
			synctest.Wait()
			r := pool.MapAsync(ctx, p, countTo(3), func(_ context.Context, i int) (int, error) {
				order = append(order, fmt.Sprintf("own %d", i))
				return i, nil
			}, pool.ChunkSize(3))
			synctest.Wait()
			assert.Empty(t, order, "the task has the only slot")
			v, err := r.Get(ctx)
			assert.Equal(t, []int{0, 1, 2}, v)
			return 0, err
		})
		require.NoError(t, err)
		require.NoError(t, p.Wait())
		assert.Equal(t, []string{"own 0", "own 1", "own 2"}, order[:3], "on the task's slot, whoever else waits")
		assert.Len(t, order, 23)
		requireAllSlots(t, p, 1)
	})
}

// An async call does not take the slot of the task that made it while that runs.
func TestR9_AsyncCallLeavesTheTaskItsSlot(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				var running runGauge
				_, err := pool.Map(context.Background(), p, countTo(3), func(ctx context.Context, i int) (int, error) {
					leave := running.enter()
					r := verb.of(ctx, p, gauged(&running))
					time.Sleep(time.Second) // at work, not waiting for the pool
					assert.False(t, r.Ready())
					leave()
					_, err := r.Get(ctx)
					defer running.enter()()
					time.Sleep(time.Second)
					return i, err
				})
				require.NoError(t, err)
				assert.EqualValues(t, 1, running.peak.Load(), "functions at once")
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// A result that the slot was lent to once may be asked for by several
// goroutines of the task.
func TestR9_GetByManyGoroutinesOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		_, err := pool.Map(context.Background(), p, countTo(5), func(ctx context.Context, i int) (int, error) {
			slow := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return i, nil
			})
			quick := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) { return 10 * i, nil })
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					v, err := slow.Get(ctx)
					assert.NoError(t, err)
					assert.Equal(t, i, v)
				})
				wg.Go(func() {
					v, err := quick.Get(ctx)
					assert.NoError(t, err)
					assert.Equal(t, 10*i, v)
				})
			}
			wg.Wait()
			return i, nil
		})
		require.NoError(t, err)
		requireAllSlots(t, p, 1)
	})
}

// A Get that gives up takes the slot back, and may be repeated.
func TestR9_GetThatGivesUpInATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
			r := pool.MapAsync(ctx, p, countTo(3), func(_ context.Context, i int) (int, error) {
				time.Sleep(time.Second)
				return i, nil
			}, pool.ChunkSize(1))
			for range 3 {
				short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
				_, err := r.Get(short)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				cancel()
			}
			v, err := r.Get(ctx)
			assert.Equal(t, []int{0, 1, 2}, v)
			return 0, err
		})
		require.NoError(t, err)
		requireAllSlots(t, p, 1)
	})
}

// ---- loans

// The goroutines of a task lend its one slot together: the one that is done
// first does not take back what the other still waits for.
func TestR9_GoroutinesOfATaskLendTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for i := range 5 {
				wg.Go(func() {
					_, err := pool.Apply(ctx, p, func(context.Context) (int, error) {
						time.Sleep(time.Millisecond)
						return i, nil
					})
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			return 0, nil
		})
		require.NoError(t, err)
		requireAllSlots(t, p, 1)
	})
}

// A stage that is closed inside a task waits for its input's workers too, which
// may need the slot.
func TestR9_BreakWhileUpstreamWaits(t *testing.T) {
	for _, eager := range []bool{false, true} {
		t.Run(fmt.Sprintf("eager %t", eager), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, other := pool.New(1), pool.New(1)
				_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
					upstream := pool.Imap(p, countTo(10), func(ctx context.Context, i int) (int, error) {
						if i == 5 {
							_, err := pool.Apply(ctx, other, func(context.Context) (int, error) {
								time.Sleep(time.Hour) // it ignores its context
								return 0, nil
							})
							return i, err
						}
						return i, nil
					}, pool.ChunkSize(1))
					if eager {
						_, err := pool.Map(ctx, p, upstream, func(_ context.Context, i int) (int, error) {
							time.Sleep(time.Second)
							if i == 3 {
								return 0, errBang
							}
							return i, nil
						}, pool.ChunkSize(1))
						assert.ErrorIs(t, err, errBang)
						return 0, nil
					}
					for v, err := range pool.Imap(p, upstream, identity, pool.ChunkSize(1)).All(ctx) {
						assert.NoError(t, err)
						time.Sleep(time.Second)
						if v == 3 {
							break
						}
					}
					return 0, nil
				})
				require.NoError(t, err)
				requireAllSlots(t, p, 1)
				requireAllSlots(t, other, 1)
			})
		})
	}
}

// A loan that outlives its task is a mistake of the user's that must not cost
// anybody else a slot.
func TestR9_LateLoans(t *testing.T) {
	for _, workers := range []int{1, 2} {
		for _, chunk := range []int{0, 1, 4} {
			t.Run(fmt.Sprintf("%d workers/chunk %d", workers, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					var late sync.WaitGroup
					out, err := pool.Map(context.Background(), p, countTo(20), func(ctx context.Context, i int) (int, error) {
						if i%3 == 0 {
							late.Go(func() {
								_, _ = pool.Apply(ctx, p, func(context.Context) (int, error) {
									time.Sleep(time.Duration(i%5) * time.Millisecond)
									return 0, nil
								})
							})
						}
						time.Sleep(time.Duration(i%4) * time.Millisecond)
						return i, nil
					}, pool.ChunkSize(chunk))
					require.NoError(t, err)
					assert.Equal(t, integers(20, nil), out)
					late.Wait()
					_, err = pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) {
						late.Go(func() { _, _ = pool.Map(ctx, p, countTo(5), identity) })
						return 0, nil
					})
					require.NoError(t, err)
					late.Wait()
					requireAllSlots(t, p, workers)
				})
			})
		}
	}
}

// A panic, or a Goexit, while goroutines of the task wait.
func TestR9_PanicWhileLent(t *testing.T) {
	for how, end := range endings() {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				var late sync.WaitGroup
				s := pool.Imap(p, countTo(10), func(ctx context.Context, i int) (int, error) {
					if i%3 == 1 {
						late.Go(func() {
							_, _ = pool.Apply(ctx, p, func(context.Context) (int, error) { return 0, nil })
						})
						synctest.Wait()
						end()
					}
					return i, nil
				}, pool.ChunkSize(1))
				items, failed, last := ranged(t, context.Background(), s)
				late.Wait()
				require.NoError(t, last)
				assert.Len(t, failed, 3)
				assert.Len(t, items, 7)
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// ---- other waits

// A range over a channel inside a task lends the slot to the task that sends.
func TestR9_ChannelBetweenTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ch := make(chan int, 5) // a task that sends does not lend
		receiver := pool.ApplyAsync(context.Background(), p, func(ctx context.Context) (int, error) {
			return total(ctx, source.Chan(ch))
		})
		synctest.Wait() // the receiver waits, having lent its slot
		_, err := pool.Apply(context.Background(), p, func(context.Context) (int, error) {
			for i := range 5 {
				ch <- i
			}
			close(ch)
			return 0, nil
		})
		require.NoError(t, err)
		n, err := receiver.Get(context.Background())
		require.NoError(t, err)
		assert.Equal(t, 10, n)
		requireAllSlots(t, p, 1)
	})
}

// The functions beside the main one may use the pool as well.
func TestR9_NestedInStateAndCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		s := pool.ImapWith(p, countTo(10), func(ctx context.Context) (int, error) {
			return addUp(pool.Map(ctx, p, countTo(5), identity))
		}, func(ctx context.Context, base, i int) (int, error) {
			return pool.Apply(ctx, p, func(context.Context) (int, error) { return base + i, nil })
		}, pool.RecycleAfter(3))
		items, failed, end := ranged(t, context.Background(), s)
		require.NoError(t, end)
		assert.Empty(t, failed)
		assert.Equal(t, []int{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, items)

		var sum int
		pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 5, nil }).OnSuccess(func(n int) {
			var err error
			sum, err = addUp(pool.Map(context.Background(), p, countTo(n), identity))
			assert.NoError(t, err)
		})
		require.NoError(t, p.Wait())
		assert.Equal(t, 10, sum)
		requireAllSlots(t, p, 1)
	})
}

// A stream that was opened outside may be pulled inside a task.
func TestR9_PullInATaskOfAStreamOpenedOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		s, err := pool.Imap(p, countTo(10), identity).Open(context.Background())
		require.NoError(t, err)
		n, err := pool.Apply(context.Background(), p, func(ctx context.Context) (n int, err error) {
			var c stage.Chunk[int]
			for {
				err := s.Pull(ctx, &c, stage.Limit{})
				n += len(c.Items)
				if err == io.EOF {
					return n, nil
				}
				if err != nil {
					return n, err
				}
			}
		})
		require.NoError(t, err)
		assert.Equal(t, 10, n)
		require.NoError(t, s.Close())
		requireAllSlots(t, p, 1)
	})
}

// Nested use for real, with the race detector looking on.
func TestR9_NestedInParallel(t *testing.T) {
	p := pool.New(4)
	var running runGauge
	var g together
	for range 8 {
		g.Go(func() error {
			out, err := pool.Map(context.Background(), p, countTo(50), func(ctx context.Context, _ int) (int, error) {
				return total(ctx, pool.Imap(p, countTo(20), func(ctx context.Context, k int) (int, error) {
					if k%5 != 0 {
						defer running.enter()()
						return k, nil
					}
					return pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
						defer running.enter()()
						return k, nil
					}).Get(ctx)
				}))
			})
			assert.Len(t, out, 50)
			for _, n := range out {
				assert.Equal(t, 190, n)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.NoError(t, p.Wait())
	assert.LessOrEqual(t, running.peak.Load(), int64(4))
}

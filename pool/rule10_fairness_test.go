package pool_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/penstock-go/penstock/stage"
)

// gauged makes a function that takes a millisecond and is counted.
func gauged(g *runGauge) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		defer g.enter()()
		time.Sleep(time.Millisecond)
		return i, nil
	}
}

func TestR10_ManyStreamsNeverExceedTheWorkers(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		for _, chunk := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%d workers/chunk %d", workers, chunk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const streams, items = 50, 20
					p := pool.New(workers)
					var running runGauge
					var g together
					begun := time.Now()
					for i := range streams {
						fn := gauged(&running)
						verbs := lazyVerbs()
						verb := verbs[i%len(verbs)]
						g.Go(func() error {
							got, failed, end := ranged(t, context.Background(), verb.of(p, countTo(items), fn, pool.ChunkSize(chunk)))
							slices.Sort(got)
							assert.Equal(t, integers(items, nil), got)
							assert.Empty(t, failed)
							return end
						})
					}
					require.NoError(t, g.Wait())
					assert.EqualValues(t, workers, running.peak.Load(), "all workers, and no more")
					assert.EqualValues(t, streams*items, running.calls.Load())
					// No worker was idle while there was work, but for the last chunks.
					ideal := time.Duration((streams*items+workers-1)/workers) * time.Millisecond
					assert.LessOrEqual(t, time.Since(begun), ideal+ideal/10+5*time.Millisecond)
					requireAllSlots(t, p, workers)
				})
			})
		}
	}
}

func TestR10_MixedCallsNeverExceedTheWorkers(t *testing.T) {
	for _, workers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(workers)
			var running runGauge
			var g together
			fn := gauged(&running)
			for range 5 {
				for _, verb := range lazyVerbs() {
					g.Go(func() error {
						got, _, end := ranged(t, context.Background(), verb.of(p, countTo(10), fn))
						assert.Len(t, got, 10)
						return end
					})
				}
				for _, verb := range eagerVerbs() {
					g.Go(func() error {
						got, err := verb.of(context.Background(), p, countTo(10), fn)
						assert.Equal(t, integers(10, nil), got)
						return err
					})
				}
				g.Go(func() error {
					_, err := pool.Apply(context.Background(), p, func(ctx context.Context) (int, error) { return fn(ctx, 1) })
					return err
				})
				g.Go(func() error {
					_, err := pool.ApplyAsync(context.Background(), p, func(ctx context.Context) (int, error) { return fn(ctx, 1) }).
						Get(context.Background())
					return err
				})
			}
			require.NoError(t, g.Wait())
			assert.EqualValues(t, workers, running.peak.Load())
			requireAllSlots(t, p, workers)
		})
	}
}

// Making states, filling blocks and folding count as running, too.
func TestR10_EverythingInWorkersCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		var running runGauge
		var g together
		step := gauged(&running)
		blocks := stage.New("fours", func(context.Context) (stage.Puller[int], error) {
			return &fours{n: 20, fill: func(int) { _, _ = step(context.Background(), 0) }}, nil
		})
		for range 5 {
			g.Go(func() error {
				_, _, end := ranged(t, context.Background(), pool.ImapWith(p, countTo(10),
					func(ctx context.Context) (int, error) { return step(ctx, 0) },
					func(ctx context.Context, _, i int) (int, error) { return step(ctx, i) }, pool.RecycleAfter(2)))
				return end
			})
			g.Go(func() error {
				_, _, end := ranged(t, context.Background(), pool.Imap(p, blocks, step))
				return end
			})
			g.Go(func() error {
				s := pool.MapChunks(p, countTo(10), func(ctx context.Context, in []int) ([]int, error) {
					_, err := step(ctx, 0)
					return in, err
				})
				_, _, end := ranged(t, context.Background(), s)
				return end
			})
		}
		require.NoError(t, g.Wait())
		assert.EqualValues(t, 2, running.peak.Load())
		requireAllSlots(t, p, 2)
	})
}

// Calls that are equal get equally far.
func TestR10_EqualCallsProgressEqually(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		for _, chunk := range []int{1, 4} {
			for _, equal := range []int{2, 5, 8} {
				t.Run(fmt.Sprintf("%d workers/chunk %d/%d calls", workers, chunk, equal), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(workers)
						ctx, cancel := context.WithCancel(context.Background())
						done := make([]atomic.Int64, equal)
						var g sync.WaitGroup
						for c := range equal {
							g.Go(func() {
								s := pool.Imap(p, endless(), func(_ context.Context, i int) (int, error) {
									time.Sleep(time.Millisecond)
									done[c].Add(1)
									return i, nil
								}, pool.ChunkSize(chunk))
								for _, err := range s.All(ctx) {
									if err != nil {
										assert.ErrorIs(t, err, context.Canceled)
									}
								}
							})
						}
						const rounds = 20
						for range rounds {
							time.Sleep(time.Duration(chunk*equal) * time.Millisecond)
							least, most := done[0].Load(), done[0].Load()
							for c := range done {
								least, most = min(least, done[c].Load()), max(most, done[c].Load())
							}
							assert.LessOrEqual(t, most-least, int64(chunk*(workers+1)), "within a round")
						}
						cancel()
						g.Wait()
						sum := int64(0)
						for c := range done {
							sum += done[c].Load()
						}
						assert.InDelta(t, rounds*chunk*equal*workers, sum, float64(2*workers*chunk), "no worker was idle")
						requireAllSlots(t, p, workers)
					})
				})
			}
		}
	}
}

// A call that has much to do does not hold up one that has little.
func TestR10_BacklogDoesNotStarveANewCall(t *testing.T) {
	backlogs := map[string]func(ctx context.Context, p *pool.Pool, fn func(context.Context, int) (int, error)) func() error{
		"Map": func(ctx context.Context, p *pool.Pool, fn func(context.Context, int) (int, error)) func() error {
			r := pool.MapAsync(ctx, p, countTo(10_000), fn, pool.ChunkSize(1))
			return func() error { _, err := r.Get(ctx); return err }
		},
		"Imap": func(ctx context.Context, p *pool.Pool, fn func(context.Context, int) (int, error)) func() error {
			ended := make(chan error)
			go func() {
				_, err := pool.Imap(p, countTo(10_000), fn).Count(ctx)
				ended <- err
			}()
			return func() error { return <-ended }
		},
		"ApplyAsync": func(ctx context.Context, p *pool.Pool, fn func(context.Context, int) (int, error)) func() error {
			var last *pool.Result[int]
			for i := range 10_000 {
				last = pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, i) })
			}
			return func() error { _, err := last.Get(ctx); return err }
		},
	}
	for name, backlog := range backlogs {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d workers", name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(context.Background())
					p := pool.New(workers)
					var running runGauge
					ended := backlog(ctx, p, gauged(&running))
					time.Sleep(10 * time.Millisecond)
					calls := map[string]func() error{}
					for _, verb := range lazyVerbs() {
						calls[verb.name] = func() error {
							_, err := verb.of(p, countTo(10), gauged(&running)).Count(ctx)
							return err
						}
					}
					for _, verb := range eagerVerbs() {
						calls[verb.name] = func() error {
							_, err := verb.of(ctx, p, countTo(10), gauged(&running))
							return err
						}
					}
					if name != "ApplyAsync" { // applies share one turn
						calls["Apply"] = func() error {
							_, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return gauged(&running)(ctx, 0) })
							return err
						}
					}
					for name, call := range calls {
						begun := time.Now()
						require.NoError(t, call(), name)
						// Its ten items take turns with the backlog's.
						assert.LessOrEqual(t, time.Since(begun), 25*time.Millisecond, name)
					}
					assert.EqualValues(t, workers, running.peak.Load())
					cancel()
					require.ErrorIs(t, ended(), context.Canceled)
					requireAllSlots(t, p, workers)
				})
			})
		}
	}
}

// A call with many workers of its own in line gets no more than one that has
// few: turns go to calls, not to workers.
func TestR10_TurnsGoToCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(4)
		ctx, cancel := context.WithCancel(context.Background())
		var wide, narrow atomic.Int64
		count := func(n *atomic.Int64) func(context.Context, int) (int, error) {
			return func(_ context.Context, i int) (int, error) {
				time.Sleep(time.Millisecond)
				n.Add(1)
				return i, nil
			}
		}
		var g sync.WaitGroup
		for range 4 { // four calls with a budget for many chunks
			g.Go(func() { _, _ = pool.Imap(p, endless(), count(&wide), pool.ChunkSize(1)).Count(ctx) })
		}
		for range 4 { // and four with a budget for one
			g.Go(func() { _, _ = pool.Imap(p, endless(), count(&narrow), pool.InFlight(1)).Count(ctx) })
		}
		time.Sleep(time.Second)
		cancel()
		g.Wait()
		assert.InDelta(t, wide.Load(), narrow.Load(), float64(wide.Load())/5)
		requireAllSlots(t, p, 4)
	})
}

// stuck is a consumer that takes one item and then nothing until ctx ends.
func stuck(ctx context.Context, t *testing.T, s stage.Stream[int]) {
	t.Helper()
	for _, err := range s.All(ctx) {
		if err != nil {
			assert.ErrorIs(t, err, context.Canceled)
		}
		<-ctx.Done()
	}
}

// A source that blocks holds no worker slot, and neither does a budget that is used
// up, or a consumer that is slow.
func TestR10_WhoWaitsHoldsNoSlot(t *testing.T) {
	waiting := map[string]func(ctx context.Context, t *testing.T, p *pool.Pool){
		"source blocks at once": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			_, err := pool.Imap(p, blocked(), identity).Count(ctx)
			assert.ErrorIs(t, err, context.Canceled)
		},
		"source blocks later": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			_, err := pool.Imap(p, stage.Concat(countTo(100), blocked()), identity).Count(ctx)
			assert.ErrorIs(t, err, context.Canceled)
		},
		"source blocks in Map": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			_, err := pool.Map(ctx, p, stage.Concat(countTo(100), blocked()), identity)
			assert.ErrorIs(t, err, context.Canceled)
		},
		"sequential stage upstream blocks": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			s := stage.Map(countTo(10), func(ctx context.Context, i int) (int, error) {
				if i == 5 {
					<-ctx.Done()
					return 0, context.Cause(ctx)
				}
				return i, nil
			})
			_, err := pool.Imap(p, s, identity).Count(ctx)
			assert.ErrorIs(t, err, context.Canceled)
		},
		"budget": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			stuck(ctx, t, pool.Imap(p, endless(), identity, pool.InFlight(3)))
		},
		"byte budget": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			s := pool.Imap(p, endless(), identity, pool.InFlightBytes(10), pool.SizeOf(func(int) int { return 4 }))
			stuck(ctx, t, s)
		},
		"default budget": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			stuck(ctx, t, pool.Imap(p, endless(), identity))
		},
		"opened and never pulled": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			s, err := pool.Imap(p, endless(), identity).Open(ctx)
			assert.NoError(t, err)
			<-ctx.Done()
			assert.NoError(t, s.Close())
		},
		"pulled and given up": func(ctx context.Context, t *testing.T, p *pool.Pool) {
			t.Helper()
			s, err := pool.Imap(p, stage.Concat(countTo(3), blocked()), identity).Open(ctx)
			assert.NoError(t, err)
			var c stage.Chunk[int]
			for {
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				err = s.Pull(short, &c, stage.Limit{})
				cancel()
				if err != nil {
					break
				}
			}
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			<-ctx.Done()
			assert.NoError(t, s.Close())
		},
	}
	for name, wait := range waiting {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d workers", name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(workers)
					ctx, cancel := context.WithCancel(context.Background())
					var g sync.WaitGroup
					for range 5 {
						g.Go(func() { wait(ctx, t, p) })
					}
					synctest.Wait()
					var running runGauge
					begun := time.Now()
					out, err := pool.Map(context.Background(), p, countTo(12), gauged(&running), pool.ChunkSize(1))
					require.NoError(t, err)
					assert.Equal(t, integers(12, nil), out)
					assert.EqualValues(t, workers, running.peak.Load())
					assert.Equal(t, 12*time.Millisecond/time.Duration(workers), time.Since(begun), "all workers were free")
					n, err := pool.Imap(p, countTo(12), gauged(&running)).Count(context.Background())
					require.NoError(t, err)
					assert.EqualValues(t, 12, n)
					cancel()
					g.Wait()
					requireAllSlots(t, p, workers)
				})
			})
		}
	}
}

// Whoever gives up waiting for a slot leaves none behind.
func TestR10_CancelledWaitersLeaveNoSlotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2)
		hold := make(chan struct{})
		for range 2 {
			pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
				<-hold
				return 0, nil
			})
		}
		synctest.Wait()
		cause := errors.New("no time")
		ctx, cancel := context.WithCancelCause(context.Background())
		ran := func(context.Context, int) (int, error) {
			t.Error("it ran")
			return 0, nil
		}
		var g sync.WaitGroup
		for range 3 {
			for _, verb := range lazyVerbs() {
				g.Go(func() {
					_, err := verb.of(p, countTo(10), ran).Count(ctx)
					assert.ErrorIs(t, err, cause)
				})
			}
			for _, verb := range eagerVerbs() {
				g.Go(func() {
					_, err := verb.of(ctx, p, countTo(10), ran)
					assert.ErrorIs(t, err, cause)
				})
			}
			g.Go(func() {
				_, err := pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return ran(ctx, 0) })
				assert.ErrorIs(t, err, cause)
			})
		}
		synctest.Wait()
		cancel(cause)
		g.Wait() // they do not wait for the slots
		close(hold)
		requireAllSlots(t, p, 2)
	})
}

// After any mix of calls that end well, fail, panic, are cancelled or broken
// off, and of nested ones, every slot is there again.
func TestR10_AnyMixLeavesAllSlots(t *testing.T) {
	verbs, eager := lazyVerbs(), eagerVerbs()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // a deadline is for the real clock
			workers := rapid.IntRange(1, 4).Draw(rt, "workers")
			p := pool.New(workers)
			var running runGauge
			var g sync.WaitGroup
			for c := range rapid.IntRange(1, 8).Draw(rt, "calls") {
				kind := rapid.IntRange(0, 8).Draw(rt, "kind")
				which := rapid.IntRange(0, 100).Draw(rt, "verb")
				items := rapid.IntRange(0, 30).Draw(rt, "items")
				at := rapid.IntRange(0, 30).Draw(rt, "at")
				start := rapid.IntRange(0, 5).Draw(rt, "start")
				opts := []pool.Option{
					pool.ChunkSize(rapid.IntRange(0, 5).Draw(rt, "chunk")),
					pool.InFlight(rapid.IntRange(0, 9).Draw(rt, "budget")),
				}
				rt.Logf("call %d", c)
				fn := gauged(&running)
				g.Go(func() {
					time.Sleep(time.Duration(start) * time.Millisecond)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					do := func(ctx context.Context, i int) (int, error) {
						if i != at {
							return fn(ctx, i)
						}
						switch kind {
						case 0:
							return 0, errBang
						case 1:
							panic(errBang)
						case 2:
							goexit()
						case 3:
							cancel()
						case 4:
							return pool.Apply(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, i) })
						case 5:
							r := pool.MapAsync(ctx, p, countTo(5), fn)
							pool.ApplyAsync(ctx, p, func(ctx context.Context) (int, error) { return fn(ctx, i) })
							_, err := r.Get(ctx)
							return i, err
						}
						return fn(ctx, i)
					}
					if kind == 6 {
						time.AfterFunc(time.Duration(at)*time.Millisecond, cancel)
					}
					if which%2 == 0 {
						_, _ = eager[which%len(eager)].of(ctx, p, countTo(items), do, opts...)
						return
					}
					seen := 0
					s := verbs[which%len(verbs)].of(p, countTo(items), do, opts...)
					for range s.All(ctx) { //nolint:errcheck // only what it leaves behind matters
						if seen++; kind == 7 && seen == at {
							break
						}
					}
				})
			}
			g.Wait()
			require.LessOrEqual(rt, running.peak.Load(), int64(workers))
			requireAllSlots(t, p, workers)
		})
	})
}

// For real, with the race detector looking on.
func TestR10_ManyStreamsInParallel(t *testing.T) {
	p := pool.New(3)
	var running runGauge
	var g together
	for i := range 50 {
		verbs := lazyVerbs()
		g.Go(func() error {
			n, err := verbs[i%len(verbs)].of(p, countTo(200), func(_ context.Context, i int) (int, error) {
				defer running.enter()()
				return i, nil
			}).Count(context.Background())
			assert.EqualValues(t, 200, n)
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.NoError(t, p.Wait())
	assert.LessOrEqual(t, running.peak.Load(), int64(3))
}

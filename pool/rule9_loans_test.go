package pool_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

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

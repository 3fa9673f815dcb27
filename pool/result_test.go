package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var errHasty = errors.New("no time to wait")

func TestResultOfASuccess(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				r := verb.of(context.Background(), p, func(_ context.Context, i int) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				})
				synctest.Wait()
				assert.False(t, r.Ready())
				assert.False(t, r.Successful())
				select {
				case <-r.Done():
					t.Error("it is not done")
				default:
				}
				begun := time.Now()
				v, err := r.Get(context.Background())
				assert.Equal(t, 3*time.Second, time.Since(begun))
				require.NoError(t, err)
				assert.Equal(t, []int{0, 1, 2}, v)
				assert.True(t, r.Ready())
				assert.True(t, r.Successful())
				<-r.Done()
				again, err := r.Get(context.Background())
				require.NoError(t, err)
				assert.Equal(t, v, again)
				require.NoError(t, p.Wait())
			})
		})
	}
}

func TestResultOfAFailure(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			p := pool.New(1)
			r := verb.of(context.Background(), p, func(_ context.Context, i int) (int, error) {
				if i == 1 {
					return 7, errBang
				}
				return i, nil
			})
			for range 2 {
				v, err := r.Get(context.Background())
				require.ErrorIs(t, err, errBang)
				assert.Nil(t, v)
			}
			assert.True(t, r.Ready())
			assert.False(t, r.Successful())
			<-r.Done()
			var e *stage.ItemError
			if verb.name == "ApplyAsync" {
				_, err := r.Get(context.Background())
				assert.Equal(t, errBang, err, "the function's own error")
			} else {
				_, err := r.Get(context.Background())
				require.ErrorAs(t, err, &e)
				assert.EqualValues(t, 1, e.Index)
				assert.Equal(t, verb.name, e.Stage)
			}
			require.NoError(t, p.Wait())
		})
	}
}

// With an error comes no value, whatever the function returned.
func TestResultOfApplyWithValueAndError(t *testing.T) {
	p := pool.New(1)
	fn := func(context.Context) (int, error) { return 7, errBang }
	v, err := pool.Apply(context.Background(), p, fn)
	require.ErrorIs(t, err, errBang)
	assert.Zero(t, v)
	v, err = pool.ApplyAsync(context.Background(), p, fn).Get(context.Background())
	require.ErrorIs(t, err, errBang)
	assert.Zero(t, v)
}

// A Get that was given up can be asked again, by anybody.
func TestResultAskedAgain(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				begin := make(chan struct{})
				r := verb.of(context.Background(), p, func(_ context.Context, i int) (int, error) {
					<-begin
					return i, nil
				})
				ended, cancel := context.WithCancelCause(context.Background())
				cancel(errHasty)
				for range 3 {
					v, err := r.Get(ended)
					require.ErrorIs(t, err, errHasty)
					assert.Nil(t, v)
				}
				short, stop := context.WithTimeoutCause(context.Background(), time.Second, errHasty)
				defer stop()
				begun := time.Now()
				_, err := r.Get(short)
				require.ErrorIs(t, err, errHasty)
				assert.Equal(t, time.Second, time.Since(begun))
				assert.False(t, r.Ready())

				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						v, err := r.Get(context.Background())
						assert.NoError(t, err)
						assert.Equal(t, []int{0, 1, 2}, v)
					})
				}
				synctest.Wait()
				close(begin)
				wg.Wait()
				v, err := r.Get(ended)
				require.NoError(t, err, "what is there is given, whatever the context says")
				assert.Equal(t, []int{0, 1, 2}, v)
				require.NoError(t, p.Wait())
			})
		})
	}
}

// The context of the call bounds the work.
func TestResultOfACancelledCall(t *testing.T) {
	for _, verb := range asyncVerbs() {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				ctx, cancel := context.WithCancelCause(context.Background())
				r := verb.of(ctx, p, func(ctx context.Context, _ int) (int, error) {
					<-ctx.Done()
					assert.Equal(t, errHasty, context.Cause(ctx))
					return 0, ctx.Err()
				})
				synctest.Wait()
				cancel(errHasty)
				_, err := r.Get(context.Background())
				require.ErrorIs(t, err, errHasty, "the cause, not a bare context.Canceled")

				r = verb.of(ctx, p, func(context.Context, int) (int, error) {
					t.Error("it ran")
					return 0, nil
				})
				_, err = r.Get(context.Background())
				require.ErrorIs(t, err, errHasty)
				requireAllSlots(t, p, 1)
			})
		})
	}
}

// A call whose context ends while it is in line resolves at once and never runs.
func TestResultOfACallCancelledInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		hold := make(chan struct{})
		holder := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
			<-hold
			return 1, nil
		})
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(context.Background())
		var results []*pool.Result[int]
		for range 100 {
			results = append(results, pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
				t.Error("it ran")
				return 0, nil
			}))
		}
		applied := make(chan error)
		go func() {
			_, err := pool.Apply(ctx, p, func(context.Context) (int, error) {
				t.Error("it ran")
				return 0, nil
			})
			applied <- err
		}()
		later := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		cancel(errHasty)
		require.ErrorIs(t, <-applied, errHasty)
		for _, r := range results {
			_, err := r.Get(context.Background())
			require.ErrorIs(t, err, errHasty)
		}
		assert.False(t, later.Ready())
		close(hold)
		v, err := holder.Get(context.Background())
		require.NoError(t, err)
		assert.Equal(t, 1, v)
		v, err = later.Get(context.Background())
		require.NoError(t, err)
		assert.Equal(t, 2, v)
		requireAllSlots(t, p, 1)
	})
}

// A function whose context ended at the moment that its turn came does not run.
func TestResultOfACallCancelledAtItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			p := pool.New(1)
			ctx, cancel := context.WithCancelCause(context.Background())
			first := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
				time.Sleep(time.Millisecond)
				cancel(errHasty)
				return 1, nil
			})
			second := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) {
				t.Error("it ran")
				return 2, nil
			})
			_, err := second.Get(context.Background())
			require.ErrorIs(t, err, errHasty)
			_, err = first.Get(context.Background())
			require.NoError(t, err)
			require.NoError(t, p.Wait())
		}
	})
}

// ApplyAsync never blocks, and the line is first come, first served.
func TestResultsOfApplyAsyncComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		const n = 10_000
		hold := make(chan struct{})
		var order []int
		for i := range n {
			pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) {
				<-hold
				order = append(order, i)
				return i, nil
			})
		}
		close(hold)
		require.NoError(t, p.Wait())
		assert.Equal(t, integers(n, nil), order)
	})
}

// The async forms return what the others do.
func TestResultIsThatOfTheEagerCall(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 2, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := pool.New(3)
			twice := func(_ context.Context, i int) (int, error) { return 2 * i, nil }
			sum := func(_ context.Context, i, k int) (int, error) { return i + k, nil }
			want, err := pool.Map(ctx, p, countTo(n), twice)
			require.NoError(t, err)
			got, err := pool.MapAsync(ctx, p, countTo(n), twice).Get(ctx)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.NotNil(t, got, "the result of nothing is an empty slice")
			assert.Len(t, got, n)
			want, err = pool.Starmap(ctx, p, pairsTo(n), sum)
			require.NoError(t, err)
			got, err = pool.StarmapAsync(ctx, p, pairsTo(n), sum).Get(ctx)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.NotNil(t, got)
			for i, v := range got {
				require.Equal(t, 11*i, v)
			}
			require.NoError(t, p.Wait())
		})
	}
}

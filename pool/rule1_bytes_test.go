package pool_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R1 in bytes: at most n, plus one pulled chunk, plus the outputs of running
// calls; what turns out larger becomes debt, never a wait; one item larger than
// the whole budget is admitted alone.

// texts makes strings of the numbers of f, with the given lengths.
func texts(f *feed, length func(i int) int) stage.Stream[string] {
	return stage.Map(f.stream(), func(_ context.Context, i int) (string, error) {
		return strings.Repeat("x", length(i)), nil
	})
}

func totalBytes(texts []string) (n int64) {
	for _, s := range texts {
		n += int64(len(s))
	}
	return n
}

// napping is the identity that takes its time.
func napping(ctx context.Context, s string) (string, error) { return s, nap(ctx, time.Millisecond) }

func textLen(s string) int { return len(s) }

func TestR1_InFlightBytes(t *testing.T) {
	const budget = 1000
	for _, workers := range []int{1, 2, 5} {
		for _, chunk := range []int{0, 1, 4} {
			for _, order := range orders {
				t.Run(label(workers, chunk, order.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						length := func(i int) int { return i * 37 % 50 }
						largest := int64(max(1, chunk) * 50)
						f := numbers(noEnd)
						var pulled, letGo atomic.Int64
						f.pull = func(context.Context, int) error {
							assert.LessOrEqual(t, pulled.Load()-letGo.Load(), int64(budget), "nothing is pulled on debt")
							return nil
						}
						f.took = func(_ stage.Limit, next, n int) {
							for i := next; i < next+n; i++ {
								pulled.Add(int64(length(i)))
							}
							assert.LessOrEqual(t, pulled.Load()-letGo.Load(), budget+largest)
						}
						a := openAccount(t, pool.Imap(pool.New(workers), texts(f, length), napping,
							options(order.unordered, pool.ChunkSize(chunk), pool.InFlightBytes(budget), pool.InFlight(500))...))
						defer a.close()
						for range 30 {
							before := letGo.Load() + totalBytes(a.c.Items)
							letGo.Store(before)
							require.NoError(t, a.pull(0))
							stall()
							require.Greater(t, pulled.Load()-letGo.Load(), int64(budget), "the budget is used")
						}
					})
				})
			}
		}
	}
}

func TestR1_ItemsAndBytesBothBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(noEnd)
		a := openAccount(t, pool.Imap(pool.New(2), texts(f, func(i int) int { return i / 100 % 2 * 100 }), napping,
			pool.ChunkSize(1), pool.InFlight(7), pool.InFlightBytes(300)))
		defer a.close()
		for i := range 150 {
			require.NoError(t, a.pull(0))
			stall()
			out := f.pulled.Load() - a.letGo.Load()
			switch {
			case i < 93:
				require.EqualValues(t, 7, out, "small items are bounded by their number")
			case i >= 100:
				require.EqualValues(t, 4, out, "large ones by their bytes, and one beyond")
			}
		}
	})
}

func TestR1_ItemLargerThanTheBudgetIsAdmittedAlone(t *testing.T) {
	for _, chunk := range []int{0, 1, 5} {
		for _, order := range orders {
			synctest.Test(t, func(t *testing.T) {
				// Every item is larger than the budget: one at a time.
				f := numbers(40)
				f.lens = func(int) int { return 1 }
				var run gauge
				a := openAccount(t, pool.Imap(pool.New(4), texts(f, func(int) int { return 500 }),
					func(ctx context.Context, s string) (string, error) {
						run.enter()
						defer run.leave()
						return napping(ctx, s)
					}, options(order.unordered, pool.ChunkSize(chunk), pool.InFlightBytes(100))...))
				defer a.close()
				for range 39 {
					require.NoError(t, a.pull(0))
					stall()
					require.EqualValues(t, 1, f.pulled.Load()-a.letGo.Load())
				}
				_, peak, _ := run.read()
				require.Equal(t, 1, peak)
			})
		}
	}
}

func TestR1_LargeItemAmongSmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(300)
		got, err := pool.Imap(pool.New(4), texts(f, func(i int) int {
			if i%10 == 5 {
				return 10_000
			}
			return 5
		}), napping, pool.InFlightBytes(100)).Collect(t.Context())
		require.NoError(t, err)
		require.Len(t, got, 300)
		require.EqualValues(t, 30*10_000+270*5, totalBytes(got))
	})
}

// Outputs may be larger than the budget by far: they are debt, nobody waits
// with one in hand, and nothing more is pulled until it is paid.
func TestR1_OutputsAreDebt(t *testing.T) {
	const budget, workers = 100, 4
	for _, c := range []struct {
		name string
		opts []pool.Option
	}{
		{"both measured by default", nil},
		{"only the output", []pool.Option{pool.SizeOf(func(s []byte) int { return len(s) })}},
		{"both", []pool.Option{pool.SizeOf(textLen), pool.SizeOf(func(s []byte) int { return len(s) })}},
	} {
		for _, order := range orders {
			t.Run(label(c.name, order.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := numbers(noEnd)
					var done, letGo atomic.Int64
					begin := func(context.Context, int) error {
						assert.LessOrEqual(t, done.Load()-letGo.Load(), int64(budget+workers*1000))
						return nil
					}
					f.pull = begin
					a := openAccount(t, pool.Imap(pool.New(workers), texts(f, func(int) int { return 10 }),
						func(ctx context.Context, s string) ([]byte, error) {
							err := nap(ctx, time.Millisecond)
							done.Add(1000)
							return make([]byte, 100*len(s)), err
						}, options(order.unordered, append(c.opts, pool.ChunkSize(1), pool.InFlightBytes(budget))...)...))
					defer a.close()
					for range 50 {
						letGo.Add(int64(1000 * len(a.c.Items)))
						require.NoError(t, a.pull(0))
						stall()
						out := done.Load() - letGo.Load()
						require.Equal(t, f.pulled.Load()*1000, done.Load(), "nothing that was pulled waits")
						require.Positive(t, out)
						require.LessOrEqual(t, out, int64(budget+workers*1000), "the outputs of running calls, and no more")
					}
				})
			})
		}
	}
}

// An input stops counting when its output counts, so that a stage that shrinks
// its items takes in more of them.
func TestR1_InputsCountUntilTheirOutputsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(noEnd)
		a := openAccount(t, pool.Imap(pool.New(1), texts(f, func(int) int { return 50 }),
			func(ctx context.Context, s string) (string, error) { return s[:10], nap(ctx, time.Millisecond) },
			pool.ChunkSize(1), pool.InFlightBytes(200)))
		defer a.close()
		for range 10 {
			require.NoError(t, a.pull(0))
			stall()
			require.EqualValues(t, 21, f.pulled.Load()-a.letGo.Load(), "20 outputs are the budget, and one chunk more")
		}
	})
}

// When only the input is measured it counts until its result is let go.
func TestR1_OnlyInputsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(noEnd)
		a := openAccount(t, pool.Imap(pool.New(3), f.stream(), func(ctx context.Context, _ int) (string, error) {
			return strings.Repeat("x", 1000), nap(ctx, time.Millisecond)
		}, pool.ChunkSize(1), pool.InFlightBytes(200), pool.SizeOf(func(int) int { return 50 })))
		defer a.close()
		for range 10 {
			require.NoError(t, a.pull(0))
			stall()
			require.EqualValues(t, 5, f.pulled.Load()-a.letGo.Load())
		}
	})
}

func TestR1_BytesOfOtherTypesAreTheirGoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(noEnd)
		a := openAccount(t, pool.Imap(pool.New(3), f.stream(), slow, pool.ChunkSize(1), pool.InFlightBytes(80)))
		defer a.close()
		for range 10 {
			require.NoError(t, a.pull(0))
			stall()
			require.EqualValues(t, 11, f.pulled.Load()-a.letGo.Load(), "ten ints of eight bytes, and one chunk more")
		}
	})
}

func TestR1_BlocksCountTheirBytes(t *testing.T) {
	const budget, lines = 100, 10
	for _, order := range orders {
		t.Run(order.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &blocks{n: 100_000, lens: func(int) int { return lines }}
				var pulled atomic.Int64
				b.took = func(_ stage.Limit, n int) { pulled.Add(int64(n)) }
				a := openAccount(t, pool.Imap(pool.New(3), b.stream(), slow, options(order.unordered, pool.InFlightBytes(budget))...))
				defer a.close()
				for range 40 {
					require.NoError(t, a.pull(0))
					stall()
					// Lines have two to seven bytes.
					out := pulled.Load() - a.letGo.Load()
					require.LessOrEqual(t, out*2, int64(budget+lines*7))
					require.GreaterOrEqual(t, out*7, int64(budget))
				}
			})
		})
	}
}

// FlatMap's fan-out is bounded in bytes: while its results are more than the
// budget, nothing more is pulled.
func TestR1_FanOutIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := numbers(50)
		a := openAccount(t, pool.FlatMap(pool.New(2), f.stream(), func(ctx context.Context, _ int, emit func(string)) error {
			for range 20 {
				emit(strings.Repeat("x", 10))
			}
			return nap(ctx, time.Millisecond)
		}, pool.ChunkSize(1), pool.InFlightBytes(300)))
		defer a.close()
		for range 20 {
			require.NoError(t, a.pull(0))
			stall()
			out := f.pulled.Load() - a.letGo.Load()/20
			require.GreaterOrEqual(t, out, int64(2))
			require.LessOrEqual(t, out, int64(4), "300 bytes are one and a half, and two may be running")
		}
	})
}

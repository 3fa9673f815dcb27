package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// R2 Errors are per item: a failed item yields an *ItemError at its place, its
// siblings survive, and a source's own error comes last.

// failing is a function that fails with errItem where fails says so.
func failing(fails func(int) bool) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		if fails(i) {
			return -1, fmt.Errorf("%d: %w", i, errItem)
		}
		return 2 * i, nil
	}
}

// patterns are ways for items to fail.
var patterns = map[string]func(int) bool{
	"none":        func(int) bool { return false },
	"all":         func(int) bool { return true },
	"first":       func(i int) bool { return i == 0 },
	"last":        func(i int) bool { return i == 299 },
	"every third": func(i int) bool { return i%3 == 1 },
	"runs":        func(i int) bool { return i/7%2 == 0 },
}

func TestR2_ErrorsStandAtTheirPlaces(t *testing.T) {
	for name, fails := range patterns {
		for _, workers := range []int{1, 3} {
			for _, chunk := range []int{0, 1, 7, 1000} {
				for _, limit := range []int{0, 1, 5} {
					for _, order := range orders {
						t.Run(label(name, workers, chunk, limit, order.name), func(t *testing.T) {
							f := numbers(300)
							s := pool.Imap(pool.New(workers), f.stream(), failing(fails),
								options(order.unordered, pool.ChunkSize(chunk), pool.Name("double"))...)
							o := drain(t, s, upTo(limit))
							require.Equal(t, io.EOF, o.end)
							requireTokens(t, 300, o.tokens)
							require.Len(t, o.events, 300)
							seen := map[int]bool{}
							for place, e := range o.events {
								i := e.item / 2
								if e.err != nil {
									i = int(e.err.Index)
									requireItemError(t, "double", i, e.err)
								}
								require.Equal(t, fails(i), e.err != nil)
								require.False(t, seen[i])
								seen[i] = true
								if !order.unordered {
									require.Equal(t, place, i)
								}
							}
						})
					}
				}
			}
		}
	}
}

// requireItemError checks all that an error of failing's says.
func requireItemError(t require.TestingT, name string, i int, e *stage.ItemError) {
	require.Equal(t, name, e.Stage)
	require.EqualValues(t, i, e.Index)
	require.Equal(t, i, e.Input)
	require.Equal(t, token(i, 1).At, e.At)
	require.ErrorIs(t, e, errItem)
	require.EqualError(t, e.Err, strconv.Itoa(i)+": "+errItem.Error())
	require.Nil(t, e.Stack)
	require.EqualError(t, e, fmt.Sprintf("%s: %s: record %d, byte 0: %d: %v", name, feedName, i+1, i, errItem))
}

func TestR2_AllGoesOnAfterAnError(t *testing.T) {
	next := 0
	for v, err := range pool.Imap(pool.New(2), numbers(300).stream(), failing(patterns["every third"])).All(t.Context()) {
		if next%3 == 1 {
			var e *stage.ItemError
			require.ErrorAs(t, err, &e)
			requireItemError(t, "Imap", next, e)
			require.Zero(t, v)
		} else {
			require.NoError(t, err)
			require.Equal(t, 2*next, v)
		}
		next++
	}
	require.Equal(t, 300, next)
}

// Every verb names the item that failed; a bulk call fails all its items.
func TestR2_EveryVerb(t *testing.T) {
	p := pool.New(3)
	fn := failing(patterns["every third"])
	pairs := func(f *feed) stage.Stream[stage.Pair[int, int]] {
		return stage.Map(f.stream(), func(_ context.Context, i int) (stage.Pair[int, int], error) {
			return stage.Pair[int, int]{First: i, Second: -i}, nil
		})
	}
	f := numbers(30)
	for name, s := range map[string]stage.Stream[int]{
		"Imap":          pool.Imap(p, f.stream(), fn),
		"ImapUnordered": pool.ImapUnordered(p, f.stream(), fn),
		"StarImap":      pool.StarImap(p, pairs(f), func(ctx context.Context, i, _ int) (int, error) { return fn(ctx, i) }),
		"ImapWith": pool.ImapWith(p, f.stream(), func(context.Context) (int, error) { return 0, nil },
			func(ctx context.Context, _, i int) (int, error) { return fn(ctx, i) }),
		"FilterMap": pool.FilterMap(p, f.stream(), func(ctx context.Context, i int) (int, bool, error) {
			b, err := fn(ctx, i)
			return b, true, err
		}),
		"FlatMap": pool.FlatMap(p, f.stream(), func(ctx context.Context, i int, emit func(int)) error {
			b, err := fn(ctx, i)
			emit(b) // dropped when the item fails
			return err
		}),
		"MapChunks": pool.MapChunks(p, f.stream(), func(ctx context.Context, in []int) ([]int, error) {
			b, err := fn(ctx, in[0])
			return []int{b}, err
		}, pool.ChunkSize(1)),
	} {
		o := drain(t, s, nil)
		require.Len(t, o.items(), 20, name)
		require.Len(t, o.errors(), 10, name)
		for _, e := range o.errors() {
			require.Equal(t, name, e.Stage)
			require.EqualValues(t, 1, e.Index%3)
			require.Equal(t, e.Index, e.At.Record)
			require.ErrorIs(t, e, errItem)
			if name == "StarImap" {
				require.Equal(t, stage.Pair[int, int]{First: int(e.Index), Second: -int(e.Index)}, e.Input)
			} else {
				require.EqualValues(t, e.Index, e.Input)
			}
		}
	}

	o := drain(t, pool.MapChunks(p, numbers(100).stream(), func(_ context.Context, in []int) ([]int, error) {
		if in[0] == 20 {
			return in, errItem
		}
		return in, nil
	}, pool.ChunkSize(10)), nil)
	require.Equal(t, append(ints(20), ints(100)[30:]...), o.items())
	for i, e := range o.errors() {
		require.EqualValues(t, 20+i, e.Index)
		require.Equal(t, 20+i, e.Input)
		require.EqualValues(t, 20+i, e.At.Record)
	}
	require.Len(t, o.errors(), 10)
}

// Items that failed upstream pass by, at their places and as they are; Index
// counts those that entered the stage.
func TestR2_UpstreamErrorsPass(t *testing.T) {
	for _, chunk := range []int{0, 1, 8, 1000} {
		for _, limit := range []int{0, 1, 3} {
			for _, order := range orders {
				t.Run(label(chunk, limit, order.name), func(t *testing.T) {
					f := numbers(300)
					f.fails = func(i int) bool { return i%5 < 2 || i > 290 }
					o := drain(t, pool.Imap(pool.New(3), f.stream(), failing(patterns["every third"]),
						options(order.unordered, pool.ChunkSize(chunk))...), upTo(limit))
					require.Equal(t, io.EOF, o.end)
					require.Len(t, o.events, 300)
					requireTokens(t, 300, o.tokens)
					entered := make([]int64, 301) // items that entered before record i
					for i := range 300 {
						entered[i+1] = entered[i]
						if !f.fails(i) {
							entered[i+1]++
						}
					}
					for place, e := range o.events {
						i := e.item / 2
						if e.err != nil {
							i = int(e.err.At.Record)
						}
						if !order.unordered {
							require.Equal(t, place, i)
						}
						switch {
						case f.fails(i):
							require.ErrorIs(t, e.err, errRecord)
							require.Equal(t, "numbers", e.err.Stage)
							require.EqualValues(t, i, e.err.Index)
							require.Equal(t, strconv.Itoa(i), e.err.Input)
						case i%3 == 1:
							require.ErrorIs(t, e.err, errItem)
							require.Equal(t, entered[i], e.err.Index)
							require.Equal(t, i, e.err.Input)
						default:
							require.Nil(t, e.err)
						}
					}
				})
			}
		}
	}
}

func TestR2_SourceErrorComesLastAndOnce(t *testing.T) {
	for _, workers := range []int{1, 4} {
		for _, chunk := range []int{0, 1, 7, 1000} {
			for _, apart := range []bool{false, true} {
				for _, n := range []int{0, 1, 100} {
					for _, order := range orders {
						t.Run(label(workers, chunk, apart, n, order.name), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								f := numbers(n)
								f.end, f.apart = errSource, apart
								o := drain(t, pool.Imap(pool.New(workers), f.stream(), func(ctx context.Context, i int) (int, error) {
									if err := nap(ctx, time.Duration(i*37%11)*time.Millisecond); err != nil {
										return 0, err
									}
									return failing(patterns["every third"])(ctx, i)
								}, options(order.unordered, pool.ChunkSize(chunk))...), nil)
								require.ErrorIs(t, o.end, errSource)
								var e *stage.ItemError
								require.NotErrorAs(t, o.end, &e, "a source's failure is no item's")
								require.Len(t, o.events, n, "after every result of what had been pulled")
								require.EqualValues(t, 1, f.closed.Load())
							})
						})
					}
				}
			}
		}
	}
}

// All yields a source's error once, with no item, and ends.
func TestR2_AllYieldsTheSourceErrorOnce(t *testing.T) {
	for _, order := range orders {
		f := numbers(50)
		f.end = errSource
		var errs []error
		items := 0
		for _, err := range pool.Imap(pool.New(2), f.stream(), same, options(order.unordered)...).All(t.Context()) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			require.Empty(t, errs)
			items++
		}
		require.Equal(t, 50, items)
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], errSource)
	}
}

// The workers fill blocks in any order; the index of an item that failed counts
// from the stream's first all the same, in both orders.
func TestR2_IndexIsRightForBlocks(t *testing.T) {
	for _, delay := range []struct {
		name string
		of   func(block int) time.Duration
	}{
		{"first block last", func(block int) time.Duration {
			if block == 0 {
				return time.Hour
			}
			return 0
		}},
		{"backwards", func(block int) time.Duration { return time.Duration(1000-block) * time.Millisecond }},
		{"mixed", func(block int) time.Duration { return time.Duration(block*7919%97) * time.Millisecond }},
		{"none", func(int) time.Duration { return 0 }},
	} {
		for k, opts := range [][]pool.Option{nil, {pool.InFlight(20)}, {pool.ChunkSize(3)}, {pool.InFlightBytes(100)}} {
			for _, order := range orders {
				t.Run(label(delay.name, k, order.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := &blocks{n: 600}
						b.lens = func(block int) int { return block * 5 % 11 } // empty blocks among them
						var block atomic.Int64
						b.fill = func(ctx context.Context, _ int) {
							assert.NoError(t, nap(ctx, delay.of(int(block.Add(1))-1)))
						}
						b.fails = func(i int) bool { return i%10 == 4 }
						fails := func(i int) bool { return i%7 == 3 || i == 0 || i == 599 }
						o := drain(t, pool.Imap(pool.New(4), b.stream(), failing(fails), options(order.unordered, opts...)...), nil)
						require.Equal(t, io.EOF, o.end)
						require.Len(t, o.events, 600)
						requireTokens(t, 600, o.tokens)
						index := map[int]int{}
						for i := range 600 {
							if !b.fails(i) {
								index[i] = len(index)
							}
						}
						for place, e := range o.events {
							if e.err == nil {
								require.True(t, order.unordered || e.item == 2*place)
								continue
							}
							record := int(e.err.At.Record)
							require.True(t, order.unordered || record == place)
							if b.fails(record) {
								require.ErrorIs(t, e.err, errRecord)
								continue
							}
							require.ErrorIs(t, e.err, errItem)
							require.Equal(t, record, e.err.Input)
							require.EqualValues(t, index[record], e.err.Index)
							require.Equal(t, lineStart(record), e.err.At.Offset)
							require.Equal(t, feedName, e.err.At.Key)
						}
					})
				})
			}
		}
	}
}

// A block that cannot be filled ends the stream at its place, after the items
// that it gave; unordered, after all results.
func TestR2_BlockThatCannotBeFilled(t *testing.T) {
	for _, workers := range []int{1, 4} {
		for _, bad := range []int{0, 3, 57, 60, 299} {
			for _, order := range orders {
				for _, takes := range []time.Duration{0, 20 * time.Millisecond} {
					t.Run(label(workers, bad, order.name, takes), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							b := &blocks{n: 300, lens: func(int) int { return 20 }}
							b.broken = func(i int) bool { return i == bad }
							b.end = errRecord // of the two, the failure that comes first in the stream is told
							b.fill = func(ctx context.Context, i int) { _ = nap(ctx, time.Duration(300-i)*time.Millisecond) }
							o := drain(t, pool.Imap(pool.New(workers), b.stream(), taking(takes), options(order.unordered)...), nil)
							require.ErrorIs(t, o.end, errSource)
							var e *stage.ItemError
							require.NotErrorAs(t, o.end, &e)
							require.Empty(t, o.errors())
							items := o.items()
							if !order.unordered {
								require.Equal(t, ints(bad), append([]int{}, items...))
								return
							}
							require.Subset(t, items, ints(bad))
							for _, i := range items {
								require.True(t, i < bad || i >= bad/20*20+20, i)
							}
						})
					})
				}
			}
		}
	}
}

// A worker's state that cannot be made ends the stream behind the items before,
// wherever it was to be made.
func TestR2_StateThatCannotBeMade(t *testing.T) {
	for _, order := range orders {
		for _, good := range []int64{0, 1, 2} { // so many states can be made
			for k, opts := range [][]pool.Option{nil, {pool.ChunkSize(1)}, {pool.ChunkSize(10)}, {pool.RecycleAfter(5)}} {
				t.Run(label(order.name, good, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var asked, made, closed atomic.Int64
						f := numbers(12_000)
						o := drain(t, pool.ImapWith(pool.New(4), f.stream(),
							func(context.Context) (*state, error) {
								if asked.Add(1) > good {
									return nil, errItem
								}
								made.Add(1)
								return &state{closed: &closed}, nil
							},
							func(ctx context.Context, _ *state, i int) (int, error) {
								if i < 10_000 { // so that a slow chunk is large, and its parts go to workers without a state
									return i, nil
								}
								return i, nap(ctx, time.Millisecond)
							}, options(order.unordered, opts...)...), nil)
						require.ErrorIs(t, o.end, errItem)
						var e *stage.ItemError
						require.NotErrorAs(t, o.end, &e, "it is no item's failure")
						require.Equal(t, good, made.Load())
						require.Equal(t, good, closed.Load(), "states that were made are closed")
						if !order.unordered {
							require.Equal(t, ints(len(o.events)), append([]int{}, o.items()...), "what came before is whole")
						}
					})
				})
			}
		}
	}
}

type state struct{ closed *atomic.Int64 }

func (s *state) Close() error {
	s.closed.Add(1)
	return nil
}

// Closing errors of the source and of states are the stream's last word, not an
// item's.
func TestR2_CloseErrorsAreReported(t *testing.T) {
	in := stage.New("numbers", func(context.Context) (stage.Puller[int], error) {
		return badCloser{&feedPuller{feed: numbers(10)}}, nil
	})
	var got []error
	for _, err := range pool.Imap(pool.New(2), in, same).All(t.Context()) {
		if err != nil {
			got = append(got, err)
		}
	}
	require.Len(t, got, 1)
	require.ErrorIs(t, got[0], errSource)
	_, err := pool.Map(t.Context(), pool.New(2), in, same)
	require.ErrorIs(t, err, errSource)
}

type badCloser struct{ *feedPuller }

func (p badCloser) Close() error { return errors.Join(p.feedPuller.Close(), errSource) }

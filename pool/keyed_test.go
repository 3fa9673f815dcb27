package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func parity(i int) int { return i % 2 }

// A slow key holds back none of the others, until its items fill the budget.
func TestImapKeyed_SlowKeyPassedByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		s := pool.ImapKeyed(pool.New(3), numbers(noEnd).stream(), func(i int) int { return min(i%10, 1) }, func(_ context.Context, i int) (int, error) {
			if i%10 == 0 {
				<-open
			}
			return i, nil
		}, pool.InFlight(8), pool.ChunkSize(1))
		a := openAccount(t, s)
		defer a.close()
		seen := map[int][]int{}
		for len(seen[1]) < 63 { // 0, 10, ... 60 are in flight then, and one that is handed out
			require.NoError(t, a.pull(0))
			for _, v := range a.c.Items {
				seen[min(v%10, 1)] = append(seen[min(v%10, 1)], v)
			}
		}
		require.Empty(t, seen[0])
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for err == nil {
			err = a.p.Pull(short, &a.c, stage.Limit{})
			seen[1] = append(seen[1], a.c.Items...)
		}
		require.ErrorIs(t, err, context.DeadlineExceeded, "the slow key has filled the budget")
		require.Len(t, seen[1], 63, "all but the slow ones before 70")
		close(open)
		require.NoError(t, a.pull(0))
	})
}

// With InFlightPerKey no key ever has more in flight, and a key that has as many
// holds the pulling back.
func TestImapKeyed_InFlightPerKeyIsExact(t *testing.T) {
	for _, perKey := range []int{1, 2, 5} {
		for _, chunk := range []int{0, 1, 3, 100} {
			synctest.Test(t, func(t *testing.T) {
				f := numbers(400)
				var inFlight [2]int
				var peak int
				f.took = func(_ stage.Limit, next, records int) {
					for i := next; i < next+records; i++ {
						inFlight[parity(i)]++
						peak = max(peak, inFlight[parity(i)])
					}
				}
				s := pool.ImapKeyed(pool.New(3), f.stream(), parity, slow, pool.InFlightPerKey(perKey), pool.ChunkSize(chunk))
				p, err := s.Open(t.Context())
				require.NoError(t, err)
				var c stage.Chunk[int]
				n := 0
				for err == nil {
					stall()
					for _, v := range c.Items { // let go by the pull that follows
						inFlight[parity(v)]--
					}
					err = p.Pull(t.Context(), &c, stage.Limit{})
					n += len(c.Items)
				}
				require.ErrorIs(t, err, io.EOF)
				require.Equal(t, 400, n)
				require.Equal(t, perKey, peak)
				require.NoError(t, p.Close())
			})
		}
	}
}

// Two keys keep two workers busy at once; one key keeps one.
func TestImapKeyed_RunsKeysAtTheSameTime(t *testing.T) {
	for keys, took := range map[int]string{1: "100ms", 2: "50ms", 4: "25ms", 100: "25ms"} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			s := pool.ImapKeyed(pool.New(4), numbers(100).stream(), func(i int) int { return i % keys }, slow, pool.ChunkSize(4))
			drain(t, s, nil)
			require.Equal(t, took, time.Since(begun).String(), "%d keys", keys)
		})
	}
}

// A key that panics, ends the goroutine or cannot be hashed is its item's failure.
func TestImapKeyed_BadKeys(t *testing.T) {
	p := pool.New(2)
	for what, key := range map[string]func(int) any{
		"panic":  func(int) any { panic(errItem) },
		"goexit": func(int) any { runtime.Goexit(); return nil },
		"hash":   func(i int) any { return []int{i} },
	} {
		for _, chunk := range []int{0, 1, 7} {
			o := drain(t, pool.ImapKeyed(p, numbers(100).stream(), func(i int) any {
				if i%3 == 1 {
					return key(i)
				}
				return i % 4
			}, same, pool.ChunkSize(chunk)), nil)
			require.ErrorIs(t, o.end, io.EOF)
			require.Len(t, o.items(), 67, what)
			require.Len(t, o.errors(), 33, what)
			requireTokens(t, 100, o.tokens)
			for _, e := range o.errors() {
				require.EqualValues(t, 1, e.Index%3)
				require.EqualValues(t, e.Index, e.Input)
				require.ErrorContains(t, e, "key: ")
				if what == "goexit" {
					require.ErrorIs(t, e, stage.ErrGoexit)
				} else {
					require.NotEmpty(t, e.Stack)
				}
			}
		}
	}
	idle(t, p)
}

// Keys are forgotten with their last item, also those that do not equal
// themselves: the memory of a stream of many keys is that of a few.
func TestImapKeyed_KeysComeAndGo(t *testing.T) {
	const n = 100_000
	for name, key := range map[string]func(int) float64{
		"distinct": func(i int) float64 { return float64(i) },
		"NaN":      func(int) float64 { return math.NaN() },
	} {
		for _, perKey := range []int{0, 3} {
			s := pool.ImapKeyed(pool.New(2), source.Range(0, n), key, same, pool.InFlightPerKey(perKey))
			var before, after runtime.MemStats
			count := 0
			for _, err := range s.All(t.Context()) {
				require.NoError(t, err)
				count++
				switch count {
				case n / 10:
					runtime.GC()
					runtime.ReadMemStats(&before)
				case n - 1:
					runtime.GC()
					runtime.ReadMemStats(&after)
				}
			}
			require.Equal(t, n, count)
			require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20), name)
		}
	}
}

// A source that returns more than it was asked for overflows nothing.
func TestImapKeyed_SourceThatReturnsMoreThanAsked(t *testing.T) {
	for _, chunk := range []int{0, 1, 3, 10} {
		f := numbers(3000)
		f.lens, f.over = func(pull int) int { return 100 * (pull % 4) }, true
		f.fails = func(i int) bool { return i%50 >= 48 }
		o := drain(t, pool.ImapKeyed(pool.New(3), f.stream(), parity, same, pool.ChunkSize(chunk), pool.InFlight(10)), nil)
		require.ErrorIs(t, o.end, io.EOF)
		require.Len(t, o.items(), 2880)
		require.Len(t, o.errors(), 120)
		requireTokens(t, 3000, o.tokens)
	}
}

// Runs that break off and go on write what one run writes, in its order.
func TestProperty_ImapKeyedGoesOnFromACheckpoint(t *testing.T) {
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		run++
		store := checkpoint.File(filepath.Join(dir, fmt.Sprint("job", run)))
		out := filepath.Join(dir, fmt.Sprint("out", run))
		n := rapid.IntRange(1, 16).Draw(r, "items")
		want := &strings.Builder{}
		for i := range n {
			fmt.Fprintln(want, i)
		}
		breaks := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 2).Draw(r, "breaks")
		for _, at := range append(breaks, -1) {
			opts := []pool.Option{
				pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 3, 50}).Draw(r, "chunk")),
				pool.InFlight(rapid.SampledFrom([]int{0, 1, 4, 40}).Draw(r, "in flight")),
				pool.InFlightPerKey(rapid.SampledFrom([]int{0, 1, 4}).Draw(r, "per key")),
			}
			keys := rapid.IntRange(1, 9).Draw(r, "keys")
			p := pool.New(rapid.IntRange(1, 4).Draw(r, "workers"))
			s := pool.ImapKeyed(p, source.Range(0, n), func(i int) int { return i % keys }, func(_ context.Context, i int) (string, error) {
				for range i % 7 {
					runtime.Gosched()
				}
				if i == at {
					return "", errItem
				}
				return strconv.Itoa(i), nil
			}, opts...)
			_, err := stage.Run(t.Context(), s, sink.Lines(out), stage.Checkpoint(store, 1))
			if !errors.Is(err, errItem) {
				require.NoError(r, err)
			}
		}
		got, err := os.ReadFile(out)
		require.NoError(r, err)
		require.Equal(r, want.String(), string(got))
	})
}

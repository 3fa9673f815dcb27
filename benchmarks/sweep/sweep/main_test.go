package sweep

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOdd = errors.New("odd")

func square(_ context.Context, n int) (int, error) { return n * n, nil }

// evenOnly fails for odd numbers.
func evenOnly(_ context.Context, n int) (int, error) {
	if n%2 == 1 {
		return 0, errOdd
	}
	return n, nil
}

// squares is a job of n items.
func squares(n int) Job[int, int] {
	return Job[int, int]{Name: "squares", Source: source.Range(0, n), Func: square}
}

// few are options that keep a sweep short.
func few(more ...Option) []Option {
	return append([]Option{ChunkSizes(1, 8), Workers(2), Rounds(1)}, more...)
}

// made is a report of one mode with the given throughputs by chunk size, and that
// of the automatic size, which settles on 32.
func made(workers int, auto float64, fixed map[int]float64) *Report {
	const items = 1000
	row := func(c Combination, perSecond float64) Row {
		took := time.Duration(items / perSecond * float64(time.Second))
		return Row{
			Combination: c, Median: took, Min: took, Q1: took, Q3: took, Max: took,
			NsPerItem: 1e9 / perSecond, ItemsPerSecond: perSecond, FirstItem: time.Millisecond,
		}
	}
	r := &Report{
		Job: "made", Items: items, Rounds: 3, Date: time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC),
		Machine:  Machine{CPU: "A <CPU>", Cores: 2, GOMAXPROCS: 2, OS: "linux", Arch: "amd64", Go: "go1.26.0"},
		Baseline: row(baseline(), 1000),
	}
	automatic := row(Combination{Mode: Ordered, Workers: workers}, auto)
	automatic.Settled = 32
	r.Rows = append(r.Rows, automatic)
	sizes := make([]int, 0, len(fixed))
	for size := range fixed {
		sizes = append(sizes, size)
	}
	for _, size := range distinct(sizes) {
		one := row(Combination{Mode: Ordered, Workers: workers, Chunk: size}, fixed[size])
		one.Settled = int64(size)
		r.Rows = append(r.Rows, one)
	}
	return r
}

package sweep_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// A function of one's own, swept in ten lines. From here, report.Advice says
// which size to choose, and sweep.WriteDir("sweep-report", report) writes the
// plots and a page with all of it.
func Example() {
	words := func(_ context.Context, line string) (int, error) { return len(strings.Fields(line)), nil }
	lines := source.Slice(strings.Split(strings.Repeat("the quick brown fox\n", 999)+"jumps", "\n"))

	job := sweep.Job[string, int]{Name: "count words", Source: lines, Func: words}
	report, err := sweep.Run(context.Background(), job, sweep.ChunkSizes(1, 64), sweep.Workers(2), sweep.Rounds(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Items, "items,", report.Bytes, "bytes,", report.Rounds, "rounds")
	for _, row := range report.Rows {
		fmt.Println(row.Combination, row.ItemsPerSecond > 0)
	}
	// Output:
	// 1000 items, 18986 bytes, 2 rounds
	// mode=ordered/workers=2/chunk=auto true
	// mode=ordered/workers=2/chunk=1 true
	// mode=ordered/workers=2/chunk=64 true
	// mode=unordered/workers=2/chunk=auto true
	// mode=unordered/workers=2/chunk=1 true
	// mode=unordered/workers=2/chunk=64 true
}

func ExampleRun() {
	job := sweep.Job[int, int]{
		Name: "halves", Source: source.Range(0, 1000),
		Func:    func(_ context.Context, n int) (int, error) { return n / 2, nil },
		Options: []pool.Option{pool.InFlight(16)}, // as in the program that this is about
	}
	report, err := sweep.Run(context.Background(), job, sweep.ChunkSizes(1, 16), sweep.Workers(2), sweep.Modes(sweep.Ordered), sweep.Rounds(1))
	fmt.Println(len(report.Rows), "combinations beside the", report.Baseline.Mode, "loop", err)
	// Output: 3 combinations beside the sequential loop <nil>
}

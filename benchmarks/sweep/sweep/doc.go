// Package sweep measures how the chunk size, the number of workers and the order
// of delivery change the speed of a job of yours on your machine, and says which
// to choose. The command beside it (go run ./benchmarks/sweep) sweeps three
// built-in jobs; package pool holds what is measured.
//
//	job := sweep.Job[string, Event]{Name: "parse", Source: source.Lines("access.log"), Func: parse}
//	report, err := sweep.Run(ctx, job, sweep.ChunkSizes(1, 16, 256), sweep.Workers(1, 8))
//	if err != nil {
//		return err
//	}
//	fmt.Println(report.Advice())
//	return sweep.WriteDir("sweep-report", report)
//
// In a benchmark, Benchmark runs the same combinations as sub-benchmarks that
// benchstat reads.
//
// # How it is measured
//
// A combination is a mode (Ordered, Unordered, Eager), a number of workers and a
// chunk size; Automatic, the size that the pool chooses by itself, is always
// among them. Beside the combinations a sweep runs the baseline: the same source,
// function and sink in a plain loop in one goroutine, without a pool.
//
// Each combination runs the whole source, again and again: once to warm up, then
// once a round. Rounds are interleaved: in a round every combination runs once,
// and each round begins with another one, so that a slow minute of the machine
// hits all of them. Garbage is collected before each run, off the clock. The
// clock stands around everything that a user would wait for: opening source and
// sink, the run, closing both.
//
// Two figures come from the warm-up round alone: the peak of the heap, because
// sampling it every millisecond would disturb what is timed, and the chunk size on
// which Eager settles, which takes a stage of its own to see. All others are
// medians of the timed rounds unless their names say otherwise.
//
// A sweep sets no GOMAXPROCS and no GC percentage; it measures the process that
// it runs in. Runs that last less than some 10 ms are at the mercy of the
// scheduler: give the job more items.
package sweep

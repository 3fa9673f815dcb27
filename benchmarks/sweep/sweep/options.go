package sweep

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Option changes what Run and Benchmark do. Of two of a kind the last one counts.
// The interface is sealed: options are made by this package's functions.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

// config is what the options of a call add up to.
type config struct {
	chunks, workers []int
	modes           []Mode
	rounds          int
	items           int // 0: all
	budget          time.Duration
	keepGoing       bool
	progress        func(done, total int, what string)
}

func newConfig(fn string, opts []Option) config {
	c := config{
		chunks:  []int{1, 4, 16, 64, 256, 1024, 4096},
		workers: []int{1, runtime.GOMAXPROCS(0)},
		modes:   []Mode{Ordered, Unordered},
		rounds:  5,
	}
	for i, o := range opts {
		if o == nil {
			panic(fmt.Sprintf("penstock: sweep.%s: option %d is nil", fn, i))
		}
		o.apply(&c)
	}
	c.chunks = distinct(append([]int{Automatic}, c.chunks...))
	c.workers = distinct(c.workers)
	c.modes = distinct(c.modes)
	if c.keepGoing && slices.Contains(c.modes, Eager) {
		panic("penstock: sweep." + fn + ": KeepGoing does not go with Eager: pool.Map fails fast")
	}
	return c
}

// distinct are the values in ascending order, each once.
func distinct[T ~int](values []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// combinations are all that the options name, the baseline first.
func (c *config) combinations() []Combination {
	all := make([]Combination, 0, 1+len(c.modes)*len(c.workers)*len(c.chunks))
	all = append(all, baseline())
	for _, m := range c.modes {
		for _, w := range c.workers {
			for _, n := range c.chunks {
				all = append(all, Combination{Mode: m, Workers: w, Chunk: n})
			}
		}
	}
	return all
}

func list[T ~int](fn string, least T, values []T) []T {
	if len(values) == 0 {
		panic("penstock: sweep." + fn + ": no value is given")
	}
	for _, v := range values {
		if v < least {
			panic(fmt.Sprintf("penstock: sweep.%s: a value is %d, want %d or more", fn, int(v), int(least)))
		}
	}
	return slices.Clone(values)
}

func atLeast(fn string, least, n int) {
	if n < least {
		panic(fmt.Sprintf("penstock: sweep.%s: n is %d, want %d or more", fn, n, least))
	}
}

// ChunkSizes are the fixed sizes to measure, in items a chunk; Automatic is
// measured beside them. Order and repetition do not matter. The default is 1, 4,
// 16, 64, 256, 1024 and 4096. ChunkSizes panics if there are none or one is
// negative.
func ChunkSizes(n ...int) Option {
	n = list("ChunkSizes", 0, n)
	return option(func(c *config) { c.chunks = n })
}

// Workers are the numbers of workers to measure; each run has a pool of its own.
// 0 means GOMAXPROCS. The default is 1 and GOMAXPROCS. Workers panics if there are
// none or one is negative.
func Workers(n ...int) Option {
	n = list("Workers", 0, n)
	for i := range n {
		if n[i] == 0 {
			n[i] = runtime.GOMAXPROCS(0)
		}
	}
	return option(func(c *config) { c.workers = n })
}

// Modes are the modes to measure. The default is Ordered and Unordered. Modes
// panics if there are none, and for Sequential, which every sweep runs.
func Modes(m ...Mode) Option {
	for _, v := range m {
		if v > Eager {
			panic(fmt.Sprintf("penstock: sweep.Modes: %v is no mode to choose: want Ordered, Unordered or Eager", v))
		}
	}
	m = list("Modes", Ordered, m)
	return option(func(c *config) { c.modes = m })
}

// Rounds is how many timed runs each combination gets, after one to warm up. The
// default is 5. Rounds panics if n is less than 1.
func Rounds(n int) Option {
	atLeast("Rounds", 1, n)
	return option(func(c *config) { c.rounds = n })
}

// Items takes only the first n items of the source, for a job that would take too
// long. A source of blocks (lines of a file) then takes its blocks apart under the
// pull lock instead of in the workers, as under any stage.Take. 0, the default,
// means all. Items panics if n is negative.
func Items(n int) Option {
	atLeast("Items", 0, n)
	return option(func(c *config) { c.items = n })
}

// Budget bounds the time that Run takes: it begins no further round that, by the
// length of the last one, would end after d. The round to warm up and one timed
// round always run; Report.Rounds says how many did. 0, the default, means no
// bound. Budget panics if d is negative.
func Budget(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("penstock: sweep.Budget: d is %v, want 0 or more", d))
	}
	return option(func(c *config) { c.budget = d })
}

// KeepGoing lets items fail: they are left out and counted, and every run must
// count the same number of them. Without it the first item that fails ends the
// sweep with its error. It does not go with Eager, which fails fast; Run and
// Benchmark panic then.
func KeepGoing() Option {
	return option(func(c *config) { c.keepGoing = true })
}

// Progress has fn called after each run, off the clock and in the goroutine that
// called Run: done of total runs are over, and what names the combination that
// was run last. When Budget cuts rounds off, total falls. Progress panics if fn is
// nil.
func Progress(fn func(done, total int, what string)) Option {
	if fn == nil {
		panic("penstock: sweep.Progress: fn is nil")
	}
	return option(func(c *config) { c.progress = fn })
}

package sweep

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
)

func TestMistakesPanicAtTheCall(t *testing.T) {
	for want, call := range map[string]func(){
		"penstock: sweep.ChunkSizes: no value is given":                              func() { ChunkSizes() },
		"penstock: sweep.ChunkSizes: a value is -1, want 0 or more":                  func() { ChunkSizes(1, -1) },
		"penstock: sweep.Workers: no value is given":                                 func() { Workers() },
		"penstock: sweep.Workers: a value is -2, want 0 or more":                     func() { Workers(-2) },
		"penstock: sweep.Modes: no value is given":                                   func() { Modes() },
		"penstock: sweep.Modes: a value is -1, want 0 or more":                       func() { Modes(-1) },
		"penstock: sweep.Rounds: n is 0, want 1 or more":                             func() { Rounds(0) },
		"penstock: sweep.Items: n is -1, want 0 or more":                             func() { Items(-1) },
		"penstock: sweep.Budget: d is -1ns, want 0 or more":                          func() { Budget(-1) },
		"penstock: sweep.Progress: fn is nil":                                        func() { Progress(nil) },
		"penstock: sweep.Run: option 1 is nil":                                       func() { _, _ = Run(t.Context(), squares(1), Rounds(1), nil) },
		"penstock: sweep.Run: the job's Func is nil":                                 func() { _, _ = Run(t.Context(), Job[int, int]{}) },
		"penstock: sweep.Run: KeepGoing does not go with Eager: pool.Map fails fast": func() { _, _ = Run(t.Context(), squares(1), KeepGoing(), Modes(Eager)) },
		"penstock: sweep.Run: option 0 of the job is nil": func() {
			job := squares(1)
			job.Options = []pool.Option{nil}
			_, _ = Run(t.Context(), job)
		},
		"penstock: sweep.Benchmark: the job's Func is nil":                                         func() { Benchmark(&testing.B{}, Job[int, int]{}) },
		"penstock: sweep.Modes: sequential is no mode to choose: want Ordered, Unordered or Eager": func() { Modes(Sequential) },
	} {
		assert.PanicsWithValue(t, want, call)
	}
}

func TestDefaults(t *testing.T) {
	c := newConfig("Run", nil)
	assert.Equal(t, []int{Automatic, 1, 4, 16, 64, 256, 1024, 4096}, c.chunks)
	assert.Equal(t, distinct([]int{1, runtime.GOMAXPROCS(0)}), c.workers)
	assert.Equal(t, []Mode{Ordered, Unordered}, c.modes)
	assert.Equal(t, 5, c.rounds)
}

func TestCombinations(t *testing.T) {
	c := newConfig("Run", []Option{ChunkSizes(16, 0, 4, 16), Workers(3, 0, 3), Modes(Unordered, Ordered), ChunkSizes(16, 4)})
	assert.Equal(t, distinct([]int{3, runtime.GOMAXPROCS(0)}), c.workers)
	c.workers = []int{3}
	var names []string
	for _, one := range c.combinations() {
		names = append(names, one.String())
	}
	assert.Equal(t, []string{
		"mode=sequential",
		"mode=ordered/workers=3/chunk=auto", "mode=ordered/workers=3/chunk=4", "mode=ordered/workers=3/chunk=16",
		"mode=unordered/workers=3/chunk=auto", "mode=unordered/workers=3/chunk=4", "mode=unordered/workers=3/chunk=16",
	}, names)
}

func TestModeAsText(t *testing.T) {
	for m := Ordered; m <= Sequential; m++ {
		text, err := json.Marshal(m)
		require.NoError(t, err)
		var back Mode
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, m, back)
	}
	var m Mode
	assert.EqualError(t, m.UnmarshalText([]byte("lazy")), `sweep: no mode "lazy": want ordered, unordered, eager or sequential`)
	assert.Equal(t, "Mode(9)", Mode(9).String())
}

// Rounds begin as far from each other as can be.
func TestRoundsBeginElsewhere(t *testing.T) {
	for _, n := range []int{1, 2, 7, 33} {
		s := &sweeping{config: config{rounds: 5}, field: make([]*contestant, n)}
		seen := map[int]bool{}
		for round := range s.rounds {
			seen[s.first(round)] = true
		}
		assert.Len(t, seen, min(n, s.rounds))
	}
}

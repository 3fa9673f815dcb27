package sweep

import (
	"fmt"
	"strconv"
)

// Automatic is the chunk size that the pool chooses by itself: pool.ChunkSize(0).
// It is part of every sweep.
const Automatic = 0

// Mode is how a combination runs the job's function.
type Mode int

// The modes.
const (
	Ordered    Mode = iota // pool.Imap: results in the order of the items
	Unordered              // pool.ImapUnordered: results as they are ready
	Eager                  // pool.Map: all results are collected, then go to the sink
	Sequential             // the baseline: a plain loop in one goroutine (stage.Map); every sweep runs it
)

var modeNames = [...]string{"ordered", "unordered", "eager", "sequential"}

// String is the mode's name in lower case.
func (m Mode) String() string {
	if m < 0 || int(m) >= len(modeNames) {
		return "Mode(" + strconv.Itoa(int(m)) + ")"
	}
	return modeNames[m]
}

// MarshalText returns the mode's name. It never fails.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText takes a mode's name, as String returns it. Any other text is an
// error.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if name == string(text) {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("sweep: no mode %q: want ordered, unordered, eager or sequential", text)
}

// Combination is one way to run a job.
type Combination struct {
	Mode    Mode `json:"mode"`
	Workers int  `json:"workers"`
	Chunk   int  `json:"chunk"` // items a chunk; Automatic (0) too, and in the baseline, which has none
}

// String names the combination as Benchmark names its sub-benchmarks:
// mode=ordered/workers=2/chunk=16, with chunk=auto for Automatic; the baseline is
// mode=sequential.
func (c Combination) String() string {
	if c.Mode == Sequential {
		return "mode=" + c.Mode.String()
	}
	return fmt.Sprintf("mode=%v/workers=%d/chunk=%s", c.Mode, c.Workers, c.chunk())
}

// chunk is the chunk size in words.
func (c Combination) chunk() string {
	switch {
	case c.Mode == Sequential:
		return ""
	case c.Chunk == Automatic:
		return "auto"
	}
	return strconv.Itoa(c.Chunk)
}

// automatic says whether the pool chooses the chunk size.
func (c Combination) automatic() bool { return c.Mode != Sequential && c.Chunk == Automatic }

// baseline is the loop that every sweep runs.
func baseline() Combination { return Combination{Mode: Sequential, Workers: 1} }

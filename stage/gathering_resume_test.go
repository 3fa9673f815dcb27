package stage_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// What holds as much as there is, on disk too, has no place in a checkpoint: the run is
// refused by its name before anything is read.
func TestCheckpointsRefuseWhatSpills(t *testing.T) {
	parity := func(v int) int { return v % 2 }
	ints := stage.Fold[int, int]{
		New: func() int { return 0 }, Add: func(a, v int) (int, error) { return a + v, nil },
		Merge: func(a, b int) (int, error) { return a + b, nil },
	}
	values := func(p stage.Pair[int, int]) int { return p.Second }
	for name, over := range map[string]func(stage.Stream[int]) stage.Stream[int]{
		"Sort": func(s stage.Stream[int]) stage.Stream[int] { return stage.Sort(s, cmp.Compare[int]) },
		"GroupBy": func(s stage.Stream[int]) stage.Stream[int] {
			return stage.Map(stage.GroupBy(s, parity, ints, stage.Spill()), stage.Pure(values))
		},
	} {
		read := 0
		s := over(source.Of(1, 2, 3).Tap(func(int) { read++ }))
		var store memoryStore
		_, err := stage.Run(context.Background(), stage.Map(s, stage.Pure(func(v int) int64 { return int64(v) })),
			(&ledger{}).sink(func() error { return nil }), stage.Checkpoint(&store, 1), stage.Continue(0))
		assert.EqualError(t, err, fmt.Sprintf("stage: %s: holds what may not fit into memory, so a run with a checkpoint cannot have it", name))
		assert.Zero(t, read)
	}
}

// twin is a key that JSON does not tell from its like.
type twin struct {
	Name   string
	hidden int64
}

func TestGroupsThatJSONConfuses(t *testing.T) {
	var store memoryStore
	run := func(crash int) error {
		s := stage.GroupBy(numbersTo(60, 10, new([]int64)), func(v int64) twin { return twin{"gate", v % 2} }, sums())
		counted := stage.Map(s, stage.Pure(func(p stage.Pair[twin, int64]) int64 { return p.Second }))
		_, err := stage.Run(context.Background(), counted, (&ledger{}).sink(crashing(crash)), stage.Checkpoint(&store, 1), stage.Continue(0))
		return err
	}
	require.ErrorIs(t, run(3), errCrash)
	assert.ErrorContains(t, run(100), "stage: GroupBy: state: 2 groups have 1 different keys: JSON does not tell them apart")
}

// A state without a form as JSON fails the checkpoint, and thereby the run.
func TestGroupsWithoutJSON(t *testing.T) {
	nan := stage.Fold[int64, float64]{
		New: math.NaN, Add: func(a float64, _ int64) (float64, error) { return a, nil },
		Merge: func(a, _ float64) (float64, error) { return a, nil },
	}
	s := stage.GroupBy(numbersTo(60, 10, new([]int64)), thirds, nan)
	var store memoryStore
	_, err := stage.Run(context.Background(), stage.Map(s, stage.Pure(func(p stage.Pair[int64, float64]) int64 { return p.First })),
		(&ledger{}).sink(func() error { return nil }), stage.Checkpoint(&store, 1), stage.Continue(0))
	assert.ErrorContains(t, err, "GroupBy: state: json: unsupported value: NaN")
}

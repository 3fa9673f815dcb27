package stage_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// A checkpoint that is taken while the run waits must not look at a stage's state
// while that stage is at work.
func TestIdleCheckpointsAndStates(t *testing.T) {
	var store memoryStore
	var to ledger
	numbered := stage.Enumerate(numbersTo(300000, 50, nil))
	s := stage.Map(numbered, stage.Pure(func(p stage.Pair[int64, int64]) int64 { return p.First })).
		Filter(func(v int64) bool { return v%1000 == 0 })
	_, err := stage.Run(context.Background(), s, to.sink(func() error { return nil }),
		stage.Checkpoint(&store, 3*time.Millisecond), stage.Continue(0))
	require.NoError(t, err)
}

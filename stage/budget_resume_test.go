package stage_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// Items and failures of the runs before count, also where none fails any more: of
// each 17 numbers the last one fails.
func TestErrorBudgetOverResumedRuns(t *testing.T) {
	for _, c := range []struct {
		n     int64
		share float64
		err   string
	}{
		{170, 10.0 / 170, ""},
		{169, 9.0 / 169, ""},
		{170, 9.9 / 170, "stage: 10 of 170 items failed, more than a share of 0.058"},
		{169, 8.9 / 169, "stage: 9 of 169 items failed, more than a share of 0.052"},
		{18, 0.05, "stage: 1 of 18 items failed, more than a share of 0.05"},
	} {
		var store memoryStore
		var to ledger
		var sought []int64
		src := stage.New("Numbers", func(context.Context) (stage.Puller[int64], error) {
			return &counting{n: c.n, size: 1, sought: &sought}, nil
		})
		run := func(crash int) (stage.Summary, error) {
			return stage.Run(t.Context(), src, to.sink(crashing(crash)), stage.Checkpoint(&store, 1),
				stage.Continue(0), stage.MaxFailedShare(c.share, 1000))
		}
		_, err := run(18) // the last item that is written where there are 18
		require.ErrorIs(t, err, errCrash)
		sum, err := run(0)
		require.NotNil(t, sum.Resumed)
		if c.err == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.err)
		b, ok := errors.AsType[*stage.BudgetError](err)
		require.True(t, ok)
		assert.Equal(t, c.n, b.Items)
	}
}

package stage_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A task of a pool runs flows that use the same pool: it lends its only slot.
func TestRunAllInATask(t *testing.T) {
	t.Parallel()
	p := pool.New(1)
	defer p.Close()
	sums, err := pool.Map(t.Context(), p, source.Range(1, 4), func(ctx context.Context, n int) (int, error) {
		b := stage.Tee(source.Range(0, 100*n), 2)
		double := pool.Imap(p, b[1], func(_ context.Context, v int) (int, error) { return 2 * v, nil })
		var one, two []int
		_, err := stage.RunAll(ctx, stage.To(b[0], sink.Collect(&one)), stage.To(double, sink.Collect(&two)))
		return len(one) + len(two), err
	})
	require.NoError(t, err)
	assert.Equal(t, []int{200, 400, 600}, sums)
}

// Of several flows with Shutdown, whichever stops first stops what branches share.
func TestAnyShutdownStopsWhatBranchesShare(t *testing.T) {
	t.Parallel()
	for stopped := range 2 {
		for _, before := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				stops := make([]context.Context, 2)
				ends := make([]context.CancelCauseFunc, 2)
				for i := range stops {
					stops[i], ends[i] = context.WithCancelCause(t.Context()) //nolint:fatcontext // not nested
					defer ends[i](nil)
				}
				if before {
					ends[stopped](errBroken)
				}
				n := 0
				in := source.Func(func(ctx context.Context) (int, error) { // without an end
					select {
					case <-time.After(time.Second):
						if n++; n == 10 {
							ends[stopped](errBroken)
						}
						return n, nil
					case <-ctx.Done():
						return 0, context.Cause(ctx)
					}
				})
				b := stage.Tee(in, 3)
				var one, two, three []int
				_, err := stage.RunAll(t.Context(),
					stage.To(b[0], sink.Collect(&one), stage.Shutdown(stops[0], time.Hour)),
					stage.To(b[1], sink.Collect(&two), stage.Shutdown(stops[1], time.Hour)),
					stage.To(b[2], sink.Collect(&three)))
				require.ErrorIs(t, err, stage.ErrStopped)
				require.ErrorIs(t, err, errBroken)
				var said *stage.StoppedError
				require.ErrorAs(t, err, &said)
				assert.Equal(t, errBroken, said.Cause)
				if before {
					return
				}
				for _, got := range [][]int{one, two, three} {
					assert.Len(t, got, n, "what was in flight is written")
				}
			})
		}
	}
}

// A checkpoint cannot hold how far branches are.
func TestBranchesRefuseACheckpoint(t *testing.T) {
	t.Parallel()
	store := func() stage.RunOption { return stage.Checkpoint(checkpoint.File(filepath.Join(t.TempDir(), "job")), 0) }
	b := stage.Tee(source.Range(0, 9), 2)
	for op, s := range map[string]stage.Stream[int]{
		"Tee":       stage.Merge(b...),
		"Partition": stage.Merge(stage.Partition(source.Range(0, 9), 2, func(v int) int { return v % 2 })...),
	} {
		var got []int
		_, err := stage.Run(t.Context(), s, sink.Collect(&got), store())
		require.ErrorContains(t, err, op)
		assert.Empty(t, got)
	}
	_, err := stage.RunAll(t.Context(), stage.To(b[0], sink.Discard[int]()), stage.To(b[1], sink.Discard[int](), store()))
	require.ErrorContains(t, err, "stage: RunAll: flow 1 has a checkpoint")
}

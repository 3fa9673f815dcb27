package stage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// sated is a sink that has had enough after so many items.
type sated struct {
	room   int
	closed []error
}

func (s *sated) Open(context.Context, json.RawMessage) (stage.Writer[int], error) { return s, nil }

func (s *sated) Write(_ context.Context, c *stage.Chunk[int]) error {
	if s.room -= len(c.Items); s.room < 0 {
		return fmt.Errorf("the reader has gone: %w", stage.ErrEnough)
	}
	return nil
}

func (s *sated) Close(_ context.Context, cause error) error {
	s.closed = append(s.closed, cause)
	return nil
}

// A sink that has had enough ends the run, which does not fail.
func TestEnough(t *testing.T) {
	s := &sated{room: 100}
	sum, err := stage.Run(t.Context(), source.Range(0, 1<<40), s)
	require.NoError(t, err)
	assert.True(t, sum.Enough)
	assert.LessOrEqual(t, sum.Written, int64(100))
	assert.Equal(t, []error{nil}, s.closed, "it is closed as at the end")

	sum, err = stage.Run(t.Context(), source.Range(0, 50), &sated{room: 100})
	require.NoError(t, err)
	assert.False(t, sum.Enough)
}

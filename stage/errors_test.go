package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestItemErrorNamesThePlace(t *testing.T) {
	e := &ItemError{Stage: "parse", Index: 7, Err: errBad}
	assert.Equal(t, "parse: item 7: bad", e.Error())
	e.At = Position{Key: "f.csv", Record: 41, Offset: 900}
	assert.Equal(t, "parse: f.csv: record 42, byte 900: bad", e.Error())
	e.Stage = ""
	assert.Equal(t, "f.csv: record 42, byte 900: bad", e.Error())
	assert.ErrorIs(t, e, errBad)
}

func TestPanicErrorUnwrapsErrors(t *testing.T) {
	assert.ErrorIs(t, &PanicError{Value: errBad}, errBad)
	assert.NoError(t, errors.Unwrap(&PanicError{Value: "x"}))
	assert.EqualError(t, &PanicError{Value: "x"}, "panic: x")
}

func TestWithClose(t *testing.T) {
	closing := errors.New("closing")
	assert.NoError(t, withClose(nil, nil))
	assert.Equal(t, closing, withClose(nil, closing))
	assert.Equal(t, errBad, withClose(errBad, nil))
	assert.Equal(t, errBad, withClose(errBad, errBad), "said once")
	both := withClose(errBad, closing)
	assert.ErrorIs(t, both, errBad)
	assert.ErrorIs(t, both, closing)
}

func TestCauseOf(t *testing.T) {
	cause := errors.New("shutting down")
	live, over := context.Background(), ended(cause)
	assert.NoError(t, causeOf(over, nil))
	assert.Equal(t, context.Canceled, causeOf(live, context.Canceled))
	assert.Equal(t, cause, causeOf(over, context.Canceled), "a bare cancellation hides why")
	assert.Equal(t, errBad, causeOf(over, errBad))
	wrapped := fmt.Errorf("reading: %w", context.Canceled)
	assert.EqualError(t, causeOf(over, wrapped), "reading: context canceled: shutting down")
	assert.ErrorIs(t, causeOf(over, wrapped), cause)
	assert.True(t, gaveUp(over, fmt.Errorf("reading: %w", cause)))
	assert.False(t, gaveUp(over, io.EOF))
	assert.False(t, gaveUp(live, context.Canceled))
}

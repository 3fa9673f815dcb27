package stage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func logged(t *testing.T, s Stream[int], opts ...RunOption) []observer.LoggedEntry {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	w := wire(nil)
	_, _ = Run(t.Context(), s, named{w.sink}, append(opts, WithLogger(zap.New(core)))...)
	return logs.All()
}

func TestLogOfARun(t *testing.T) {
	got := logged(t, Map(ints(3), inc).Named("add one"))
	require.Len(t, got, 2)
	assert.Equal(t, "run started", got[0].Message)
	assert.Equal(t, map[string]any{"stages": []any{"script", "add one"}, "sink": "numbers.txt"}, got[0].ContextMap())
	assert.Equal(t, "run ended", got[1].Message)
	assert.Equal(t, zapcore.InfoLevel, got[1].Level)
	fields := got[1].ContextMap()
	assert.Equal(t, int64(3), fields["read"])
	assert.Equal(t, int64(3), fields["written"])
	assert.Contains(t, fields, "elapsed")
}

func TestLogOfAFailedRun(t *testing.T) {
	got := logged(t, errorAt(1).stream())
	require.Len(t, got, 3)
	assert.Equal(t, "run failed", got[2].Message)
	assert.Equal(t, zapcore.ErrorLevel, got[2].Level)
	assert.Equal(t, "script: item 1: bad", got[2].ContextMap()["error"])
}

func TestLogHasTheFirstFailureOfEachKind(t *testing.T) {
	sentinel := errors.New("not today")
	s := Map(ints(400), func(_ context.Context, v int) (int, error) {
		switch v % 4 {
		case 0:
			return 0, fmt.Errorf("value %d is too large", v) // one kind, whatever the number
		case 1:
			return 0, fmt.Errorf("item %d: %w", v, sentinel)
		case 2:
			_, err := strconv.Atoi("x" + strconv.Itoa(v))
			return 0, err
		default:
			panic(sentinel)
		}
	}).Named("parse")
	got := logged(t, s, Continue(0))
	require.Len(t, got, 2+3, "a panic with the sentinel is of the sentinel's kind")
	for i, want := range []string{"value 0 is too large", "item 1: not today", `strconv.Atoi: parsing "x2": invalid syntax`} {
		e := got[1+i]
		assert.Equal(t, zapcore.WarnLevel, e.Level)
		f := e.ContextMap()
		assert.Equal(t, want, f["error"])
		assert.Equal(t, "parse", f["stage"])
		assert.Equal(t, int64(i), f["index"])
		assert.Equal(t, "script", f["input"])
		assert.Equal(t, int64(i+1), f["record"])
	}
}

func TestLogHasTheStackOfAPanic(t *testing.T) {
	got := logged(t, Map(counting().Take(3), func(context.Context, int) (int, error) { panic("boom") }), Continue(0))
	require.Len(t, got, 3)
	f := got[1].ContextMap()
	assert.Contains(t, f["stack"], "log_test.go")
	assert.NotContains(t, f, "record", "the source has no name for the place")
}

func TestLogIsBounded(t *testing.T) {
	letters := func(n int) string { return fmt.Sprintf("%c%c", 'a'+n/26, 'a'+n%26) }
	s := Map(ints(500), func(_ context.Context, v int) (int, error) { return 0, errors.New(letters(v)) })
	got := logged(t, s, Continue(0))
	require.Len(t, got, 2+maxKinds+1)
	assert.Equal(t, "items failed in more ways than are logged", got[1+maxKinds].Message)
	assert.Equal(t, "run ended", got[2+maxKinds].Message)
}

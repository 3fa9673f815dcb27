package subprocess

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The end of what was written is kept, however it was cut.
func TestTailKeepsTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all string
		var kept tail
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3*tailSize/2), 0, 8).Draw(t, "sizes") {
			part := strings.Repeat(string(rune('a'+len(all)%26)), n)
			kept.write([]byte(part))
			all += part
		}
		require.Equal(t, all[max(0, len(all)-tailSize):], string(kept.kept))
	})
}

func TestTailAsText(t *testing.T) {
	var short tail
	assert.Empty(t, short.text())
	short.write([]byte(" one\n\xfftwo\n\n"))
	assert.Equal(t, "one\n\uFFFDtwo", short.text())

	var long tail
	for i := range 2000 {
		long.write(fmt.Appendf(nil, "line %d\n", i))
	}
	text := long.text()
	assert.LessOrEqual(t, len(text), tailSize+len("... "))
	assert.True(t, strings.HasPrefix(text, "... line 1"), text[:20])
	assert.True(t, strings.HasSuffix(text, "line 1999"))

	var single tail
	single.write([]byte(strings.Repeat("x", 2*tailSize)))
	assert.Len(t, single.text(), tailSize+len("... "))
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A writer that failed is left alone, and its first error kept.
func TestStderrLeavesAFailedWriterAlone(t *testing.T) {
	errFull := errors.New("full")
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"error": {func() error { return errFull }, errFull},
		"panic": {func() error { panic(errFull) }, errFull},
		"goexit": {func() error {
			runtime.Goexit()
			return nil
		}, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			s := NewStderr(writer(func(p []byte) (int, error) {
				calls++
				return len(p), c.do()
			}), func(v any, stack []byte) error {
				assert.NotEmpty(t, stack)
				return fmt.Errorf("panic: %w", v.(error))
			})
			require.NoError(t, s.failure())
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.write([]byte("a"))
			}()
			<-done
			s.write([]byte("b"))
			assert.Equal(t, 1, calls)
			require.ErrorIs(t, s.failure(), c.want)
		})
	}
	var none *Stderr
	require.NoError(t, none.failure())
}

package encode

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBad = errors.New("bad")

// numbers fails at negative items, panics at 100 and loses what was before at 200.
type numbers struct{ calls *int }

func (e numbers) Encode(dst []byte, c *stage.Chunk[int]) ([]byte, error) {
	*e.calls++
	for _, n := range c.Items {
		switch {
		case n < 0:
			return dst, errBad
		case n == 100:
			panic("hundred")
		case n == 200:
			return nil, nil
		}
		dst = append(strconv.AppendInt(dst, int64(n), 10), ' ')
	}
	return dst, nil
}

func TestItems(t *testing.T) {
	calls := 0
	enc := numbers{&calls}
	for _, careful := range []bool{false, true} {
		out, n, err := Items(enc, []byte("> "), []int{1, 2, 3}, careful)
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		assert.Equal(t, "> 1 2 3 ", string(out))

		out, n, err = Items(enc, []byte("> "), []int{1, 2, -3, 4}, careful)
		require.Equal(t, errBad, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, "> 1 2 ", string(out))

		out, n, err = Items(enc, nil, []int{1, 100}, careful)
		require.EqualError(t, err, "panic: hundred")
		assert.Equal(t, 1, n)
		assert.Equal(t, "1 ", string(out))

		out, n, err = Items(enc, []byte("> "), []int{200}, careful)
		require.Equal(t, errShorter, err)
		assert.Equal(t, 0, n)
		assert.Equal(t, "> ", string(out))
	}
	calls = 0
	_, _, err := Items(enc, nil, []int{-1}, false)
	require.Equal(t, errBad, err)
	assert.Equal(t, 1, calls, "a single item is not tried twice")
	assert.Nil(t, FormatOf(enc))
}

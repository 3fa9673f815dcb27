package identity

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdentity(t *testing.T) {
	of := func(text string) File {
		f, err := Of(strings.NewReader(text), int64(len(text)), 2)
		require.NoError(t, err)
		return f
	}
	long := strings.Repeat("x", Ends)
	assert.Equal(t, File{Part: 2, Size: 3, Head: of("abc").Tail, Tail: of("abc").Head}, of("abc"))
	assert.NotEqual(t, of("abc").Head, of("abd").Head)
	assert.NotEqual(t, of(long+"a").Tail, of(long+"b").Tail)
	assert.Equal(t, of(long+"a").Head, of(long+"b").Head)
	assert.Equal(t, of(long+"a"+long), of(long+"b"+long), "the middle is not looked at")
	assert.NotEqual(t, of(""), of("a"))

	_, err := Of(strings.NewReader("abc"), 4, 0)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	assert.Equal(t, "a", Key("a", 1))
	assert.Equal(t, "a (2)", Key("a", 2))
}

package stage

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLimitRoom(t *testing.T) {
	assert.Equal(t, 3, Limit{Items: 3}.Room())
	assert.Equal(t, DefaultChunk, Limit{}.Room())
	assert.Equal(t, DefaultChunk, Limit{Items: -1}.Room())
}

func TestChunkResetKeepsMemoryAndClearsPointers(t *testing.T) {
	v := 1
	c := Chunk[*int]{Items: []*int{&v, &v}, Tokens: []Token{{N: 2}}, Block: []byte("x"), Offsets: []int32{0, 1}}
	c.Fail(&ItemError{Err: errBad})
	assert.Equal(t, 2, c.Errors[0].Before)
	assert.False(t, c.Empty())
	c.Reset()
	assert.True(t, c.Empty())
	assert.Nil(t, c.Block)
	assert.Empty(t, c.Offsets)
	assert.Equal(t, []*int{nil, nil}, c.Items[:2])
	assert.Nil(t, c.Errors[:1][0])
}

func TestChunkEmpty(t *testing.T) {
	assert.True(t, (&Chunk[int]{Block: []byte("x")}).Empty())
	assert.False(t, (&Chunk[int]{Tokens: []Token{{}}}).Empty())
	assert.False(t, (&Chunk[int]{Errors: []*ItemError{{}}}).Empty())
}

func TestChunkLocate(t *testing.T) {
	at := Position{Part: 1, Offset: 100, Record: 10, Key: "f"}
	c := Chunk[string]{Items: []string{"a", "b", "c"}, Tokens: []Token{{At: at, First: 10, N: 4}}, Offsets: []int32{0, 2, 9}}
	c.Errors = []*ItemError{{Before: 1}}
	assert.Equal(t, Position{Part: 1, Offset: 100, Record: 10, Key: "f"}, c.Locate(0))
	assert.Equal(t, Position{Part: 1, Offset: 102, Record: 12, Key: "f"}, c.Locate(1), "a failed record stands before it")
	assert.Equal(t, Position{Part: 1, Offset: 109, Record: 13, Key: "f"}, c.Locate(2))
	c.Items = c.Items[:2]
	assert.Equal(t, at, c.Locate(1), "an item is missing, and so are the offsets")
	c.Tokens = nil
	assert.Equal(t, Position{}, c.Locate(0))
}

package spill

import (
	"context"
	"io"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type inner struct {
	a byte
	b int64
	c [3]uint16
}

type everything struct {
	flag   bool
	in     inner
	Text   string
	raw    []byte
	nums   []int32
	many   []inner
	names  [2]string
	to     *inner
	counts map[string][]int
	when   time.Time
	big    *big.Int
	None   struct{}
}

func drawn(t *rapid.T) everything {
	v := everything{
		flag:  rapid.Bool().Draw(t, "flag"),
		in:    inner{rapid.Byte().Draw(t, "a"), rapid.Int64().Draw(t, "b"), [3]uint16{1, 2, rapid.Uint16().Draw(t, "c")}},
		Text:  rapid.String().Draw(t, "text"),
		raw:   rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		nums:  rapid.SliceOf(rapid.Int32()).Draw(t, "nums"),
		names: [2]string{rapid.String().Draw(t, "first"), rapid.StringN(100, 300, -1).Draw(t, "second")},
		when:  time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "when"), 5).UTC(),
	}
	if rapid.Bool().Draw(t, "more") {
		v.many = []inner{v.in, {}}
		v.to = &v.in
		v.counts = rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Int())).Draw(t, "counts")
		v.big = big.NewInt(v.in.b)
	}
	return v
}

func TestValuesComeBack(t *testing.T) {
	codec, err := Of[everything]()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		f, err := Create(context.Background(), "", "test", rapid.SampledFrom([]int{1, 100, 4096}).Draw(t, "block"))
		require.NoError(t, err)
		values := rapid.SliceOfN(rapid.Custom(drawn), 0, 20).Draw(t, "values")
		var arena Arena
		for _, v := range values {
			codec.Own(&v, &arena)
			require.NoError(t, f.Append(func(dst []byte) ([]byte, error) { return codec.Append(dst, &v) }))
			assert.Positive(t, codec.Size(&v)+1)
		}
		require.NoError(t, f.Finish())
		require.NoError(t, f.Rewind(false))
		for i := range values {
			record, err := f.Next()
			require.NoError(t, err)
			var got everything
			require.NoError(t, codec.Decode(record, &got))
			assert.Equal(t, values[i], got)
			for cut := range record {
				var part everything
				assert.Error(t, codec.Decode(record[:cut:cut], &part), "cut at %d of %d", cut, len(record))
			}
		}
		_, err = f.Next()
		assert.Equal(t, io.EOF, err)
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		_, err = os.Stat(f.f.Name())
		assert.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestTypesThatCannotBeWritten(t *testing.T) {
	type list struct{ Next *list }
	_, err := Of[list]()
	assert.EqualError(t, err, "spill.list contains itself (.Next)")
	_, err = Of[struct{ A struct{ F func() } }]()
	assert.EqualError(t, err, "func() cannot be written to a file (.A.F)")
	_, err = Of[map[string]chan int]()
	assert.EqualError(t, err, "chan int cannot be written to a file ([])")
	_, err = Of[any]()
	assert.EqualError(t, err, "interface {} cannot be written to a file")
}

func TestArenasKeepWhatTheyHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Arena
		for range 2 {
			var want, got []string
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2*slabSize/3), 0, 20).Draw(t, "sizes") {
				s := string(make([]byte, n)) + "end"
				want = append(want, s)
				got = append(got, a.String(s))
			}
			assert.Equal(t, want, got)
			a.Reset()
			assert.Zero(t, a.Held())
		}
	})
}

package blocks

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newlines(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }

// Whatever the order in which blocks are settled, they are numbered in the order
// in which they came.
func TestTallyAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			tally   = NewTally(newlines)
			want    []Counted
			waiting []int64

			total, records int64
			part           int32
		)
		settle := func() {
			i := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
			n := waiting[i]
			waiting = append(waiting[:i], waiting[i+1:]...)
			known := int64(-1)
			if rapid.Bool().Draw(t, "known") {
				known = want[n].Records
			}
			require.Equal(t, want[n], tally.Settle(n, known))
		}
		for range rapid.IntRange(1, 40).Draw(t, "blocks") {
			if rapid.IntRange(0, 9).Draw(t, "next") == 0 {
				part, records = part+1, 0
			}
			n := rapid.Int64Range(0, 5).Draw(t, "records")
			b := Block{Data: []byte(strings.Repeat("x\n", int(n))), Records: -1}
			if rapid.Bool().Draw(t, "counted") {
				b.Records = n
			}
			number := tally.Add(b, part)
			require.Equal(t, int64(len(want)), number)
			want = append(want, Counted{First: total, Record: records, Records: n, Part: part})
			total, records = total+n, records+n
			waiting = append(waiting, number)
			if rapid.IntRange(0, 5).Draw(t, "ask") == 0 {
				require.Equal(t, records, tally.Records(part))
				require.Zero(t, tally.Records(part+1))
			}
			for len(waiting) > 0 && rapid.Bool().Draw(t, "settle") {
				settle()
			}
		}
		for len(waiting) > 0 {
			settle()
		}
		require.Empty(t, tally.entries)
	})
}

func TestTallyByManyAtOnce(t *testing.T) {
	tally := NewTally(newlines)
	var wg sync.WaitGroup
	for i := range 1000 {
		data := []byte(strings.Repeat("\n", i%7))
		number := tally.Add(Block{Data: data, Records: -1}, 0)
		wg.Go(func() {
			c := tally.Settle(number, tally.Count(data))
			assert.Equal(t, int64(i%7), c.Records)
			assert.Equal(t, int64(i/7*21+[]int{0, 0, 1, 3, 6, 10, 15}[i%7]), c.First)
			clear(data) // nobody looks at it any more
		})
	}
	wg.Wait()
}

func TestMemoryIsUsedAgain(t *testing.T) {
	var m Memory
	for _, size := range []int{minRead, minRead + 1, 100_000, maxFree} {
		b := m.get(size)
		require.Len(t, b, size)
		b[0] = 'x'
		m.Free(b[:1])
		assert.Equal(t, byte('x'), m.get(size)[0], "%d", size)
		assert.Equal(t, byte(0), m.get(size)[0], "%d", size)
	}
	m.Free(nil)
	m.Free(make([]byte, 10))
	m.Free(make([]byte, maxFree+1))
	for range 2 * perClass {
		m.Free(make([]byte, minRead))
	}
	assert.Len(t, m.free[0], perClass)
	assert.Len(t, m.get(10), 10)
	assert.Len(t, m.get(2*maxFree), 2*maxFree)
	c := m.clone([]byte("abc"))
	assert.Equal(t, "abc", string(c))
}

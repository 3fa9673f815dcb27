package sweep

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *Report
		want string
	}{
		{"a plateau", made(2, 1900, map[int]float64{1: 500, 16: 1910, 256: 2000, 4096: 1700}),
			"made: 256 items a chunk is the best fixed size (ordered, 2 workers: 2.00 k items/s, 2.00 times the plain loop); " +
				"automatic settles on 32 items and loses 5 %; from 16 on, larger chunks stop paying."},
		{"rising to the end", made(2, 2100, map[int]float64{1: 500, 16: 1000, 256: 2000}),
			"made: 256 items a chunk is the best fixed size (ordered, 2 workers: 2.00 k items/s, 2.00 times the plain loop); " +
				"automatic settles on 32 items and is 5 % faster still; larger chunks pay up to 256, the largest that was measured."},
		{"slower than the loop", made(1, 800, map[int]float64{1: 800}),
			"made: 1 item a chunk is the best fixed size (ordered, 1 worker: 800 items/s, 0.800 times the plain loop); " +
				"automatic settles on 32 items and loses nothing; no other size was measured; " +
				"but the plain loop without a pool is faster still."},
		{"automatic alone", made(1, 800, nil), "made: only the automatic chunk size was measured."},
	} {
		assert.Equal(t, c.want, c.r.Advice(), c.name)
	}
}

// What lies within the spread of the runs is not taken for a difference.
func TestAdviceRespectsNoise(t *testing.T) {
	r := made(2, 1800, map[int]float64{1: 1500, 16: 1780, 256: 2000})
	assert.Contains(t, r.Advice(), "and loses 10 %; larger chunks pay up to 256")
	r.Rows[3].Spread = 0.12
	assert.Contains(t, r.Advice(), "and loses 10 %, within the noise of 12 %; from 16 on")
	r.Rows[3].Spread = 3 // no noise excuses a quarter
	assert.Contains(t, r.Advice(), "from 16 on")
	assert.Contains(t, r.Advice(), "and loses 10 %, in runs that spread by 300 %; ")
	r.Rows[1].Spread = 0.3
	assert.Contains(t, r.Advice(), "from 16 on")

	r = made(2, 1800, map[int]float64{1: 1500, 16: 1780, 256: 2000})
	r.Rounds = 1
	r.Rows[0].Settled = 0
	assert.Contains(t, r.Advice(), "; automatic chooses by itself and loses 10 %; ")
	assert.Contains(t, r.Advice(), "(one round only: how much of this is noise is unknown).")
}

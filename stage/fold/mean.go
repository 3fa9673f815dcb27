package fold

import (
	"math"

	"github.com/penstock-go/penstock/stage"
)

// Average is the count and the arithmetic mean of numbers.
type Average struct {
	N     int64   `json:"n"`
	Value float64 `json:"value"` // 0 of no numbers
}

// Count is how many numbers there were.
func (a Average) Count() int64 { return a.N }

// Mean is the arithmetic mean, NaN of no numbers.
func (a Average) Mean() float64 {
	if a.N == 0 {
		return math.NaN()
	}
	return a.Value
}

// Mean computes the arithmetic mean of numbers, in a float64, from one pass that keeps no
// sum, as Stats does, which has more. A NaN among the numbers makes it NaN.
func Mean[N Number]() stage.Fold[N, Average] {
	return stage.Fold[N, Average]{
		New: func() Average { return Average{} },
		Add: func(a Average, v N) (Average, error) {
			a.N++
			a.Value += (float64(v) - a.Value) / float64(a.N)
			return a, nil
		},
		Merge: func(a, b Average) (Average, error) {
			n := a.N + b.N
			if n > 0 {
				a.Value += (b.Value - a.Value) * (float64(b.N) / float64(n))
			}
			a.N = n
			return a, nil
		},
	}
}

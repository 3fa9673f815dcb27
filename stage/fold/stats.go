package fold

import (
	"math"

	"github.com/penstock-go/penstock/stage"
)

// Moments are the count, mean, variance and extremes of numbers, computed in one pass as
// Welford does (Technometrics 4, 1962), and merged as Chan, Golub and LeVeque do (1979).
type Moments struct {
	N       int64   `json:"n"`
	Average float64 `json:"average"`
	Squares float64 `json:"squares"` // the sum of the squares of the distances from the mean
	Least   float64 `json:"least"`
	Most    float64 `json:"most"`
}

// Count is how many numbers there were.
func (m Moments) Count() int64 { return m.N }

// Mean is the arithmetic mean, NaN of no numbers.
func (m Moments) Mean() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return m.Average
}

// Sum is the mean times the count.
func (m Moments) Sum() float64 { return m.Average * float64(m.N) }

// Variance is that of a population: the mean of the squared distances from the mean, NaN
// of no numbers.
func (m Moments) Variance() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return m.Squares / float64(m.N)
}

// SampleVariance is the unbiased estimate of a sample's population, NaN of fewer than two
// numbers.
func (m Moments) SampleVariance() float64 {
	if m.N < 2 {
		return math.NaN()
	}
	return m.Squares / float64(m.N-1)
}

// Min is the least number, NaN of none.
func (m Moments) Min() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return m.Least
}

// Max is the greatest number, NaN of none.
func (m Moments) Max() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return m.Most
}

// Stats computes the count, mean, variance and extremes of numbers, in a float64. A NaN
// among the numbers makes all but the count NaN.
func Stats[N Number]() stage.Fold[N, Moments] {
	return stage.Fold[N, Moments]{
		New: func() Moments { return Moments{} },
		Add: func(m Moments, v N) (Moments, error) {
			x := float64(v)
			if m.N == 0 {
				return Moments{N: 1, Average: x, Least: x, Most: x}, nil
			}
			m.N++
			d := x - m.Average
			m.Average += d / float64(m.N)
			m.Squares += d * (x - m.Average)
			m.Least, m.Most = min(m.Least, x), max(m.Most, x)
			return m, nil
		},
		Merge: func(a, b Moments) (Moments, error) {
			if a.N == 0 {
				return b, nil
			}
			if b.N == 0 {
				return a, nil
			}
			n := a.N + b.N
			d := b.Average - a.Average
			return Moments{
				N:       n,
				Average: a.Average + d*float64(b.N)/float64(n),
				Squares: a.Squares + b.Squares + d*d*float64(a.N)*(float64(b.N)/float64(n)),
				Least:   min(a.Least, b.Least),
				Most:    max(a.Most, b.Most),
			}, nil
		},
	}
}

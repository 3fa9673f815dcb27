package fold

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/penstock-go/penstock/stage"
)

// Quantiles are the approximate quantiles of numbers. The zero value is that of no
// numbers. A copy shares what it holds with the original.
type Quantiles struct {
	sketch *ddsketch.DDSketchWithExactSummaryStatistics
}

// Count is how many numbers there were.
func (q Quantiles) Count() int64 {
	if q.sketch == nil {
		return 0
	}
	return int64(q.sketch.GetCount())
}

// At is the p-quantile, 0.5 being the median: about the number in place p*(n-1) of n sorted
// ones, counted from 0, or one of its neighbours where that is a fraction. See Quantile for
// how near it is; At(0) and At(1) are exact. It is NaN of no numbers, and takes time that
// grows with the memory. At panics if p is not from 0 to 1.
func (q Quantiles) At(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1):
		panic(fmt.Sprintf("penstock: fold.Quantiles.At: p is %v, want 0 to 1", p))
	case p == 0:
		return q.Min()
	case p == 1:
		return q.Max()
	case q.Count() == 0:
		return math.NaN()
	}
	v, _ := q.sketch.GetValueAtQuantile(p) // fails of no numbers or another p only
	return v
}

// Min is the least number, NaN of none.
func (q Quantiles) Min() float64 {
	if q.Count() == 0 {
		return math.NaN()
	}
	v, _ := q.sketch.GetMinValue() // as in At
	return v
}

// Max is the greatest number, NaN of none.
func (q Quantiles) Max() float64 {
	if q.Count() == 0 {
		return math.NaN()
	}
	v, _ := q.sketch.GetMaxValue() // as in At
	return v
}

// MarshalBinary implements encoding.BinaryMarshaler, without loss.
func (q Quantiles) MarshalBinary() ([]byte, error) {
	var b []byte
	if q.sketch != nil {
		q.sketch.Encode(&b, false)
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (q *Quantiles) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		q.sketch = nil
		return nil
	}
	s, err := ddsketch.DecodeDDSketchWithExactSummaryStatistics(b, store.DefaultProvider, nil)
	if err == nil && s.GetCount() != s.DDSketch.GetCount() {
		err = errors.New("it has other numbers than it counts")
	}
	if err != nil {
		return fmt.Errorf("quantile sketch of %d bytes: %w", len(b), err)
	}
	q.sketch = s
	return nil
}

// MarshalJSON implements json.Marshaler: a string, which is MarshalBinary's in base64.
func (q Quantiles) MarshalJSON() ([]byte, error) {
	b, err := q.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

// UnmarshalJSON implements json.Unmarshaler.
func (q *Quantiles) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	return q.UnmarshalBinary(b)
}

// ErrAccuracy is what Quantile fails with, wrapped, when it meets Quantiles of another
// accuracy than its own, such as those of an earlier run's checkpoint.
var ErrAccuracy = errors.New("quantiles of another accuracy")

// Quantile estimates the quantiles of numbers, all of them, from one pass. It is a DDSketch
// (Masson, Rim and Lee, VLDB 2019; of github.com/DataDog/sketches-go): each quantile
// differs from a number in its place by at most accuracy times that number. With 0.01 the
// median of latencies around 200 ms is at most 2 ms wrong, and their 0.999-quantile, if it
// is 3 s, at most 30 ms. Numbers are float64s; those nearer to 0 than about 1e-307 count as 0.
//
// Merging adds no error: however the same numbers are folded and merged, their quantiles
// are the same. The memory grows with the range of the numbers, and not with how many there
// are, once they fill it: it is 8 to 16 bytes for each of ln(max/min)/(2*accuracy) steps,
// max and min being the numbers farthest from 0 and nearest to it. With 0.01 that is 6 to
// 12 kB from 1 ms to 1 h, and about 1 MB for all numbers that there are. Quantiles are saved
// with a checkpoint, and written to temporary files, without loss.
//
// NaN, the infinities and what is within accuracy of the largest float64 fail. Quantile
// panics if accuracy is not more than 0 and less than 1.
func Quantile[N Number](accuracy float64) stage.Fold[N, Quantiles] {
	if !(accuracy > 0 && accuracy < 1) {
		panic(fmt.Sprintf("penstock: fold.Quantile: accuracy is %v, want more than 0 and less than 1", accuracy))
	}
	places, err := mapping.NewLogarithmicMapping(accuracy)
	if err != nil {
		panic("penstock: fold.Quantile: " + err.Error()) // only for an accuracy that was refused above
	}
	begin := func() Quantiles {
		return Quantiles{ddsketch.NewDDSketchWithExactSummaryStatistics(places, store.DefaultProvider)}
	}
	check := func(q Quantiles) error {
		if had := q.sketch.IndexMapping; had != places && !had.Equals(places) {
			return fmt.Errorf("%w: %.4g, want %.4g", ErrAccuracy, had.RelativeAccuracy(), accuracy)
		}
		return nil
	}
	return stage.Fold[N, Quantiles]{
		New: begin,
		Add: func(q Quantiles, v N) (Quantiles, error) {
			if q.sketch == nil {
				q = begin()
			} else if err := check(q); err != nil {
				return q, err
			}
			if err := q.sketch.Add(float64(v)); err != nil {
				return q, fmt.Errorf("%v: %w", v, err)
			}
			return q, nil
		},
		Merge: func(a, b Quantiles) (Quantiles, error) {
			if b.sketch == nil {
				return a, nil
			}
			if a.sketch == nil {
				a = begin()
			}
			if err := errors.Join(check(a), check(b)); err != nil {
				return a, err
			}
			return a, a.sketch.MergeWith(b.sketch)
		},
	}
}

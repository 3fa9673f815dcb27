package sweep

import (
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
)

// apart is how far from each other, as a share of the axis, the labels of chunk
// sizes must be.
const apart = 0.055

// sizeTicks are ticks at the chunk sizes that were measured; those too near to the
// one before have no label.
func sizeTicks(sizes []int, low, high float64) []plot.Tick {
	ticks := make([]plot.Tick, 0, len(sizes))
	last := math.Inf(-1)
	for _, n := range sizes {
		t := plot.Tick{Value: float64(n)}
		if at := math.Log(t.Value/low) / math.Log(high/low); at >= last+apart {
			t.Label, last = strconv.Itoa(n), at
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// linearTicks are round values from 0 to top.
func linearTicks(top float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, part := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if top/(step*part) <= 7 {
			step *= part
			break
		}
	}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var ticks []plot.Tick
	for i := 0; float64(i)*step <= top; i++ {
		v := float64(i) * step
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', digits, 64)})
	}
	return ticks
}

// timeTicks are nanoseconds from low to high: a label for each 1, 2 and 5 of a
// decade, or for each 1 alone where there are many.
func timeTicks(low, high float64) []plot.Tick {
	few := high/low <= 1000
	var ticks []plot.Tick
	for decade := math.Floor(math.Log10(low)); decade <= math.Log10(high); decade++ {
		for first := 1; first < 10; first++ {
			v := math.Round(float64(first) * math.Pow(10, decade))
			if v < low || v > high || v == 0 {
				continue
			}
			t := plot.Tick{Value: v}
			if first == 1 || few && (first == 2 || first == 5) {
				t.Label = short(time.Duration(v))
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// short writes a round time: 20 µs.
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, " s"}, {time.Millisecond, " ms"}, {time.Microsecond, " µs"}} {
		if d >= u.unit {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}

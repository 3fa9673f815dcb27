package sweep

import (
	"math"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// plural is a number with its noun.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

// grouped writes a number that is not negative with commas from 10,000 on.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	if n < 10_000 {
		return digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// three writes a number with three digits that count, and never an exponent.
func three(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.001:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return "0.000"
}

// metric writes a number with k, M or G for thousands, millions and so on.
func metric(v float64) string {
	for _, p := range []struct {
		from float64
		sign string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= p.from*0.9995 {
			return three(v/p.from) + p.sign
		}
	}
	return three(v)
}

// period writes a time with three digits that count.
func period(d time.Duration) string {
	switch a := d.Abs(); {
	case a >= time.Second:
		return three(d.Seconds()) + " s"
	case a >= time.Millisecond:
		return three(float64(d)/float64(time.Millisecond)) + " ms"
	case a >= time.Microsecond:
		return three(float64(d)/float64(time.Microsecond)) + " µs"
	case a > 0:
		return three(float64(d)) + " ns"
	}
	return "0"
}

// percent writes a share, without a digit behind the point where it is not small.
func percent(share float64) string {
	v := share * 100
	if math.Abs(v) < 1 {
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " %"
}

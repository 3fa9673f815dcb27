// Package grow makes room in slices that become long.
package grow

// By is slices.Grow with a capacity that at least doubles, but is no more than most unless
// it must be. Capacity that the standard library adds to a large slice is a quarter, so
// that appending copies an item four times on the whole, here once.
func By[T any](s []T, n, most int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	grown := make([]T, len(s), max(min(2*cap(s), most), len(s)+n))
	copy(grown, s)
	return grown
}

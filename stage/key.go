package stage

// itself reports whether a key equals itself. One that does not, such as NaN, is not found
// in a map again, nor deleted from it.
func itself[K comparable](k K) bool { return k == k } //nolint:gocritic // see above

package stage

// Pair is two values that travel together: what Zip, Enumerate and the star
// verbs of package pool work with.
type Pair[A, B any] struct {
	First  A
	Second B
}

package stage

// Fold says how many items become one value: what GroupBy, the windows and
// pool.ReduceByKey do with the items of a key. Package fold has the common ones.
//
// A Fold is used by one goroutine at a time for each accumulator. None of its
// functions may keep the accumulators that it is given.
type Fold[A, Acc any] struct {
	// New makes an accumulator of no items.
	New func() Acc
	// Add puts an item into the accumulator and returns it; it may change the one it
	// was given. Its error is that of the item, and leaves the accumulator as it was.
	Add func(Acc, A) (Acc, error)
	// Merge puts two accumulators together. What is in the first came earlier, unless
	// it is said of an operator that it merges in any order.
	Merge func(Acc, Acc) (Acc, error)
}

// Check panics if a function is missing. who is the operator that was given the fold.
func (f Fold[A, Acc]) Check(who string) {
	notNil(f.New == nil, who+": fold.New")
	notNil(f.Add == nil, who+": fold.Add")
	notNil(f.Merge == nil, who+": fold.Merge")
}

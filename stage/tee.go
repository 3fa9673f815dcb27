package stage

// Tee returns n streams, each of all items of in, in order. They are branches of one
// run: in is opened and read once for all of them, so that they must be run together,
// each by one reader, with RunAll, or in one stream that joins them with Merge. A run
// that has not all of them, or has one twice, fails when it is opened; so does one in
// which a stage reads two branches in turns (Zip, Concat), which could wait for
// itself.
//
// The branch that needs a chunk pulls in, for all of them and with its own context.
// What the others have not read yet waits in memory: at most Ahead items for each, in
// addition to the chunk at hand and to any in-flight budget. A branch that is slower
// than that holds the others back, and StageSummary.BranchWait of those says so. A
// branch that is closed early, or not opened, holds nobody back; in is closed after
// the last one.
//
// Each branch has all failed items, so that each run deals with them, and each ends
// with in's failure. The items are shared, not copied: functions must not change what
// they point to. A block of pool.Encode is used again when all branches have released
// it; other memory that items are views of is not.
//
// Tee keeps no state; a run with a checkpoint refuses it by name. Tee panics if n is
// less than 1 or an option is nil.
func Tee[T any](in Stream[T], n int, opts ...SplitOption) []Stream[T] {
	notBelow(1, n, "stage.Tee: n")
	return splitInto("Tee", in, n, opts, func(string) dealer[T] { return teeing[T]{} })
}

type teeing[T any] struct{}

// deal implements dealer: a copy to each but the last one, which gets the original.
func (teeing[T]) deal(c *Chunk[T], out []*dealt[T], _ int64) {
	last, open := 0, 0
	for i, d := range out {
		if d != nil {
			last = i
			open++
		}
	}
	if open == 0 {
		return
	}
	c.Block = nil // it is shared
	if c, ok := any(c).(*Chunk[Block]); ok {
		for i := range c.Items {
			c.Items[i] = c.Items[i].Share(open)
		}
	}
	for _, d := range out[:last] {
		if d == nil {
			continue
		}
		d.Items = append(d.Items, c.Items...)
		for _, e := range c.Errors {
			one := *e
			d.Errors = append(d.Errors, &one)
		}
		d.Tokens = append(d.Tokens, c.Tokens...)
		d.Offsets = append(d.Offsets, c.Offsets...)
		d.Partial = c.Partial
	}
	out[last].Chunk, *c = *c, out[last].Chunk
}

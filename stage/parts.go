package stage

// parts hands on a chunk that may be larger than what is asked for. It is for
// stages that read ahead; the zero value has handed on nothing.
type parts[T any] struct {
	items, errs int // handed on
}

// serve replaces into, which is empty, with the next part of c, of at most room
// items if that bounds it, and reports whether it is the last. A chunk that fits is
// swapped. Tokens go with the last part.
func (p *parts[T]) serve(c, into *Chunk[T], room int, bounded bool) (last bool) {
	if *p == (parts[T]{}) && (!bounded || len(c.Items) <= room) {
		*into, *c = *c, *into
		return true
	}
	from, to := p.items, min(p.items+room, len(c.Items))
	last = to == len(c.Items)
	into.Items = append(into.Items, c.Items[from:to]...)
	for ; p.errs < len(c.Errors) && (last || c.Errors[p.errs].Before <= to); p.errs++ {
		e := c.Errors[p.errs]
		e.Before -= from
		into.Errors = append(into.Errors, e)
	}
	p.items = to
	// The block is shared by several chunks now, so nobody may recycle it.
	if !last {
		into.Partial = true
		return false
	}
	into.Tokens = append(into.Tokens, c.Tokens...)
	into.Partial = c.Partial
	c.Reset()
	*p = parts[T]{}
	return true
}

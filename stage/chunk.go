package stage

import "sort"

// Limit bounds one pull. A field that is zero or negative sets no bound: the
// puller then takes what it finds convenient.
type Limit struct {
	Items int   // at most so many items
	Bytes int64 // about so many bytes, for sources that read blocks
}

// DefaultChunk is how many items a puller takes when the limit names none.
const DefaultChunk = 256

// Room is how many items the limit allows: Items, or DefaultChunk when Items
// sets no bound.
func (l Limit) Room() int {
	if l.Items > 0 {
		return l.Items
	}
	return DefaultChunk
}

// Position is a place in a source. What its fields mean is the source's to
// say; they are comparable and serialisable.
type Position struct {
	Part   int32  `json:"part,omitzero"`   // which input, from 0
	Offset int64  `json:"offset,omitzero"` // bytes before it in the part, after decompression
	Record int64  `json:"record,omitzero"` // records (lines, rows, items) before it in the part
	Key    string `json:"key,omitzero"`    // the input's name, or a key of the source's own
}

// Token says which range of the source's items a chunk accounts for: the
// ordinals [First, First+N), beginning at At. Tokens travel with chunks through
// every operator, also when a chunk has no items left, so that a sink can
// acknowledge what it has dealt with.
type Token struct {
	At       Position
	First, N int64
	// Source tells the sources of a run with a checkpoint apart, by their places in
	// the plan. The engine sets it.
	Source int32
}

// Chunk is the unit of flow: a run of consecutive items that was pulled in one
// step. A chunk owns its slices and its block. Whoever is handed one may change
// it freely until it is pulled into again; to keep a slice longer, take it out
// and set the field to nil.
type Chunk[T any] struct {
	// Items are the chunk's items in stream order. The slice is dense: failed
	// and dropped items have no place in it.
	Items []T
	// Errors are the items that failed, in stream order; each says before which
	// item it stands.
	Errors []*ItemError
	// Tokens are the source ranges that this chunk accounts for.
	Tokens []Token
	// Block is memory that items may be views of. It moves with whatever is
	// derived from the chunk, and belongs to the garbage collector unless a
	// holder says that it recycles it. Where several chunks are made from one
	// block, or one from several, none of them has it here.
	Block []byte
	// Offsets, when it has as many entries as there are items, is where each
	// item starts: bytes from Tokens[0].At.Offset. Sources of files set it, so
	// that errors can name a byte and a chunk that is larger than the limit can be
	// handed on in parts, each with a token of its own; without it the last part
	// has the token. Most operators drop it.
	Offsets []int32
	// Partial says that some of what the chunk holds belongs to source ranges whose
	// tokens come with a later chunk. A checkpoint waits for that one. Stages that
	// cut chunks set it.
	Partial bool
}

// Reset empties the chunk and keeps its memory. Items and errors are cleared,
// so that nothing stays reachable through them; the block is let go.
func (c *Chunk[T]) Reset() {
	if len(c.Items) > 0 {
		clear(c.Items)
		c.Items = c.Items[:0]
	}
	if len(c.Errors) > 0 {
		clear(c.Errors)
		c.Errors = c.Errors[:0]
	}
	c.Tokens = c.Tokens[:0]
	c.Offsets = c.Offsets[:0]
	c.Block = nil
	c.Partial = false
}

// Empty reports whether the chunk holds neither items nor errors nor tokens.
func (c *Chunk[T]) Empty() bool {
	return len(c.Items) == 0 && len(c.Errors) == 0 && len(c.Tokens) == 0
}

// Fail appends an error after the items that the chunk holds so far.
func (c *Chunk[T]) Fail(e *ItemError) {
	e.Before = len(c.Items)
	c.Errors = append(c.Errors, e)
}

// Locate is the source position of Items[i], as exactly as the chunk knows it.
// The record is exact while the chunk holds one item or error per record of a
// single token; the byte is exact where the source gave offsets. Otherwise they
// are those of the first token's start.
func (c *Chunk[T]) Locate(i int) Position {
	return c.locate(i, sort.Search(len(c.Errors), func(k int) bool { return c.Errors[k].Before > i }))
}

// locate is Locate for who knows how many errors stand before the item.
func (c *Chunk[T]) locate(i, errorsBefore int) Position {
	if len(c.Tokens) == 0 {
		return Position{}
	}
	at := c.Tokens[0].At
	if len(c.Offsets) == len(c.Items) {
		at.Offset += int64(c.Offsets[i])
	}
	if len(c.Tokens) == 1 && int64(len(c.Items)+len(c.Errors)) == c.Tokens[0].N {
		at.Record += int64(i + errorsBefore)
	}
	return at
}

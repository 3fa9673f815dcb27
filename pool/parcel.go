package pool

import (
	"github.com/penstock-go/penstock/backpressure"
	"github.com/penstock-go/penstock/stage"
	"runtime"
)

// parcel is what a slot of the ring hands from a worker to the consumer: a job,
// or one result by itself. Such a result is written to its slot and read from
// there, a cache line or two; a job is several objects, and moving those between
// cores is most of what a chunk of one item would cost.
type parcel[A, B any] struct {
	job   *job[A, B] // nil: one result by itself
	spare *job[A, B] // that the consumer is done with, for the worker that fills the slot next
	item  B
	token stage.Token // of the item; N is 0 if it has none
}

// alone is what a result by itself holds of the budget.
var alone = backpressure.Cost{Chunks: 1, Items: 1} //nolint:gochecknoglobals // a constant

// number is the job's place in the ring.
func (c *call[A, B]) number(ticket uint64) uint64 {
	if c.cfg.unordered || c.spec.eager {
		return c.ring.Draw()
	}
	return ticket
}

// put publishes a job.
func (w *worker[A, B]) put(j *job[A, B]) {
	if r := w.c.router; r != nil {
		j.ticket = r.seal(j, w.batch)
		w.batch = w.batch[:0]
		w.putAt(j, j.ticket)
		return
	}
	w.putAt(j, w.c.number(j.ticket))
}

// putAt publishes a job under a number.
func (w *worker[A, B]) putAt(j *job[A, B], seq uint64) {
	p := w.c.ring.Place(seq)
	if p.spare != nil {
		w.spare, p.spare = p.spare, nil
	}
	outputs := j.outputs() // it is the consumer's once it is published
	p.job = j
	w.publishAt(seq, outputs)
}

// publishAt publishes what is in the place of a number.
func (w *worker[A, B]) publishAt(seq uint64, outputs int64) {
	c := w.c
	err := c.ring.Publish(seq)
	if err == nil {
		if c.ring.Roused() && c.gate.HalfUsed() {
			// The workers keep all processors busy and the consumer waits for one. If it
			// went on until the budget is used up, they would all park, and waking a
			// processor takes longer than many a chunk.
			runtime.Gosched()
		}
		return
	}
	if c.ctx.Err() == nil {
		panic(err) // the budget has no more chunks than the ring has slots
	}
	w.m.Abandoned += outputs // the call is over, the ring takes no more
}

// putAlone publishes a result by itself.
func (w *worker[A, B]) putAlone(ticket uint64, b B) {
	seq := w.c.number(ticket)
	p := w.c.ring.Place(seq)
	p.item = b
	if len(w.in.Tokens) > 0 {
		copyToken(&p.token, &w.in.Tokens[0])
	} else {
		p.token.N = 0
	}
	w.publishAt(seq, 1)
}

// take makes what is ready in the ring the consumer's: its job is the current one
// then, or nil. The result by itself must have been read.
func (c *call[A, B]) take(p *parcel[A, B]) *job[A, B] {
	c.cur = p.job
	if c.cur == nil {
		var none B
		p.item = none
		c.handed++
	} else {
		p.job = nil
	}
	if c.spare != nil && p.spare == nil {
		p.spare, c.spare = c.spare, nil
	}
	c.ring.Taken()
	return c.cur
}

// singles hands on the result by itself that is ready, and those behind it that
// are: no more than the lot in which the default budget moves anyway.
func (c *call[A, B]) singles(into *stage.Chunk[B], p *parcel[A, B], room int) {
	room = min(room, c.lot)
	for {
		into.Items = append(into.Items, p.item)
		if p.token.N > 0 {
			if len(into.Tokens) == cap(into.Tokens) {
				into.Tokens = append(into.Tokens, stage.Token{})
			} else {
				into.Tokens = into.Tokens[:len(into.Tokens)+1]
			}
			copyToken(&into.Tokens[len(into.Tokens)-1], &p.token)
		}
		c.take(p)
		if len(into.Items) >= room {
			break
		}
		if p = c.ring.Ready(); p == nil || p.job != nil {
			break
		}
	}
	c.m.Out += int64(len(into.Items))
	c.m.ChunksOut++
}

// copyToken copies field by field: what was just written in portions of a word
// and is read in larger ones stalls the processor.
func copyToken(to, from *stage.Token) {
	to.At.Part, to.At.Offset, to.At.Record = from.At.Part, from.At.Offset, from.At.Record
	if to.At.Key != from.At.Key {
		to.At.Key = from.At.Key
	}
	to.First, to.N, to.Source = from.First, from.N, from.Source
}

package pool

import (
	"sync/atomic"

	"github.com/penstock-go/penstock/internal/encode"
	"github.com/penstock-go/penstock/stage"
)

// Encode formats the items of in with enc, in the workers of p, and yields the
// encoded blocks, for a sink that writes them, such as sink.File:
//
//	blocks := pool.Encode(p, flights, sink.CSVEncoder[Flight]())
//	summary, err := stage.Run(ctx, blocks, sink.File("flights.csv.gz"))
//
// Order, laziness and bound are those of Imap, counted in items of in; a chunk's
// items become one block, or several around the items that fail. Of a stream
// without items, an encoder with a stage.Format yields one block without bytes,
// so that a file gets its header.
//
// Errors: an item that cannot be encoded, or at which enc panics, becomes a
// *stage.ItemError at its place, and the others go on; errors of in pass on. If
// enc ends its goroutine with runtime.Goexit, all items of the block fail.
//
// A block's memory is used again when the block is released (see
// stage.Block.Release); sink.File does that. The memory that the items are views
// of is let go.
//
// Encode panics if enc is nil or an option does not fit.
func Encode[T any](p *Pool, in stage.Stream[T], enc stage.Encoder[T], opts ...Option) stage.Stream[stage.Block] {
	mustFunc(enc == nil, "Encode", "enc")
	format := encode.FormatOf(enc)
	buffers := newSpareBuffers(p.or().Workers())
	sp := spec[T, stage.Block]{verb: "Encode", kernel: encoding(enc, format, buffers.get, buffers.put)}
	if format != nil {
		sp.nothing = func() stage.Block { return stage.Block{Format: format} }
	}
	return stream(p, in, opts, sp)
}

// encoding is the kernel of Encode. It deals with items that fail by itself: only
// if enc ends the goroutine, the driver fails all that are left.
func encoding[T any](enc stage.Encoder[T], format stage.Format, get func() []byte, put func([]byte)) func() kernel[T, stage.Block] {
	run := func(w *worker[T, stage.Block]) error {
		careful := false // once an item failed, others of its chunk may
		for w.pos < w.stop {
			out, n, err := encode.Items(enc, get(), w.items[w.pos:w.stop], careful)
			if n > 0 {
				w.job.out.Items = append(w.job.out.Items, stage.Block{Bytes: out, Items: n, Format: format, Free: put})
				w.m.Merged += int64(n - 1)
				w.pos += n
			}
			if err != nil {
				careful = true
				if w.ctx.Err() != nil {
					return err
				}
				w.fail(err)
				w.pos++
			}
		}
		w.job.out.Block = nil // no item is a view of it any more
		return nil
	}
	return func() kernel[T, stage.Block] { return kernel[T, stage.Block]{run: run, whole: true} }
}

const (
	// maxSpare is the largest buffer that is kept for another block.
	maxSpare = 512 << 10
	// maxSpares is how many are kept for each worker: about as many blocks as wait
	// for their turn.
	maxSpares = 8
)

// spareBuffers are buffers that blocks have been released from.
type spareBuffers struct {
	free chan []byte
	size atomic.Int64 // of the last block, and so about of the next
}

func newSpareBuffers(workers int) *spareBuffers {
	return &spareBuffers{free: make(chan []byte, maxSpares*workers)}
}

func (s *spareBuffers) get() []byte {
	select {
	case b := <-s.free:
		return b
	default:
		return make([]byte, 0, s.size.Load())
	}
}

func (s *spareBuffers) put(b []byte) {
	if len(b) == 0 || cap(b) > maxSpare {
		return
	}
	s.size.Store(int64(len(b) + len(b)/8))
	select {
	case s.free <- b[:0]:
	default:
	}
}

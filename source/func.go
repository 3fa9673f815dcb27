package source

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// patience is how long a pull goes on calling a function before it hands on
// what it has.
const patience = time.Millisecond

// Func makes a stream of what next returns, call after call, until it returns
// io.EOF. Any other error is the stream's error: it comes after all items before
// it, names the item and ends the stream. For errors of single items see
// [SeqErr].
//
// Calls never overlap. next gets the context of the pull and should return when
// that ends; returning the context's error then loses nothing, the next pull
// calls again. A pull that has called next for about a millisecond hands on what
// it has, so that slow calls do not delay the items at hand by more than one
// call. A run with a checkpoint refuses the source ([ErrNoResume]). Func panics if next is nil.
func Func[T any](next func(context.Context) (T, error)) stage.Stream[T] {
	notNil(next == nil, "Func: next")
	return stage.New("Func", func(context.Context) (stage.Puller[T], error) {
		p := &funcPuller[T]{next: next, oneWay: oneWay{"what a function returned cannot be asked for again; see stage.New"}}
		p.timer = time.AfterFunc(patience, func() { p.late.Store(true) })
		p.timer.Stop()
		return p, nil
	})
}

type funcPuller[T any] struct {
	oneWay
	next  func(context.Context) (T, error)
	timer *time.Timer // cheaper than reading the clock after each call
	late  atomic.Bool
	first int64
}

func (p *funcPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	room := max.Room()
	if room > 1 {
		p.late.Store(false)
		p.timer.Reset(patience)
		defer p.timer.Stop()
	}
	defer func() { // also when next panics: what it returned before counts
		number(into, p.first)
		p.first += int64(len(into.Items))
	}()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v, err := p.next(ctx)
		switch err {
		case nil:
			into.Items = append(into.Items, v)
		case io.EOF: // bare: a wrapped one tells of something cut short
			return io.EOF
		default:
			return fmt.Errorf("source: item %d: %w", p.first+int64(len(into.Items)), err)
		}
		if len(into.Items) >= room || p.late.Load() {
			return nil
		}
	}
}

func (p *funcPuller[T]) Close() error {
	p.timer.Stop()
	return nil
}

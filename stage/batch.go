package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Batch is the stream of slices of n consecutive items; the last may be shorter.
// Each slice is a new one and the consumer's to keep. Batch asks its input for
// exactly the items that the batch at hand lacks, and hands each batch on by
// itself as soon as it is full: at most n items are held beyond the in-flight
// budget. Failed items take no place in a batch; they come before the batch that
// was being filled when they arrived. If the input fails, the batch at hand comes
// first, but not if the run is told to stop (see Shutdown). Batch panics if n is less than 1.
func Batch[T any](in Stream[T], n int) Stream[[]T] {
	notBelow(1, n, "stage.Batch: n")
	return serial("Batch", fmt.Sprintf("of %d", n), in, func(_ context.Context, up upstream[T]) (Puller[[]T], error) {
		return &batching[T]{upstream: up, n: n}, nil
	})
}

// BatchWait is Batch whose batches also leave when wait has passed since the first of
// their items came, so that a slow stream is not held up; a batch that is empty is not
// handed on. The pull of the input is given up then, which loses nothing: functions of
// stages ahead, up to the last pool, that heed their context are called again for
// their item. A source that does not heed its context while it waits delays the batch.
// BatchWait starts no goroutine. It panics if n is less than 1, wait is not positive or
// an option, of which there is OnClock, is nil.
func BatchWait[T any](in Stream[T], n int, wait time.Duration, opts ...TimeOption) Stream[[]T] {
	notBelow(1, n, "stage.BatchWait: n")
	if wait <= 0 {
		panic(fmt.Sprintf("penstock: stage.BatchWait: wait is %v, want more than 0", wait))
	}
	clock := clockOf("stage.BatchWait", opts)
	detail := fmt.Sprintf("of %d, within %v", n, wait)
	return serial("BatchWait", detail, in, func(_ context.Context, up upstream[T]) (Puller[[]T], error) {
		return &batching[T]{upstream: up, n: n, wait: wait, clock: clock}, nil
	})
}

type batching[T any] struct {
	upstream[T]
	n      int
	wait   time.Duration // 0: for ever
	clock  Clock
	leaves time.Time // when the batch at hand does, if wait is not 0
	in     Chunk[T]
	batch  []T     // the batch at hand
	tokens []Token // of what is in it
	block  []byte  // of what is in it, if it is one only
	parts  int     // chunks with items that went into it
	end    error   // upstream's, sticky

	partial bool // the last chunk that came was
}

// Pull implements Puller.
func (b *batching[T]) Pull(ctx context.Context, into *Chunk[[]T], max Limit) error {
	into.Reset()
	for {
		if errors.Is(b.end, ErrStopped) { // what is left is not the last
			into.Partial = b.partial || len(b.batch) > 0
			return b.end
		}
		if b.end != nil { // what is left goes out
			b.emit(into)
			sent(b.m, into)
			return b.end
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := b.fetch(ctx, Limit{Items: b.n - len(b.batch), Bytes: max.Bytes})
		b.add(into)
		switch {
		case err == nil:
		case err == errDue:
			b.emit(into)
			into.Partial = b.partial
		case gaveUp(ctx, err):
			sent(b.m, into)
			return err
		default:
			b.end = err
			continue
		}
		if !into.Empty() {
			sent(b.m, into)
			return nil
		}
	}
}

// fetch pulls what the batch at hand lacks. Its error is errDue if the batch is to
// leave as it is.
func (b *batching[T]) fetch(ctx context.Context, max Limit) error {
	if b.wait == 0 {
		return b.upstream.Pull(ctx, &b.in, max)
	}
	if len(b.batch) == 0 {
		err := b.upstream.Pull(ctx, &b.in, max)
		b.leaves = b.clock.Now().Add(b.wait)
		return err
	}
	if !b.leaves.After(b.clock.Now()) {
		b.in.Reset()
		return errDue
	}
	pull, stop := endingAt(ctx, b.clock, b.leaves)
	defer stop()
	err := b.upstream.Pull(pull, &b.in, max)
	if err != nil && ctx.Err() == nil && gaveUp(pull, err) {
		return errDue
	}
	return err
}

// add puts the chunk that came into the batch at hand. Errors are handed on at
// once; so is a batch that is full, and tokens that concern no batch.
func (b *batching[T]) add(into *Chunk[[]T]) {
	in := &b.in
	if came := len(in.Items); came > 0 {
		if b.batch == nil {
			b.batch = make([]T, 0, min(b.n, maxPresize))
		}
		b.batch = append(b.batch, in.Items...)
		if b.parts++; b.parts == 1 {
			b.block = in.Block
		} else {
			b.block = nil
		}
	}
	b.tokens = appendTokens(b.tokens, in.Tokens)
	b.partial = in.Partial
	full := len(b.batch) == b.n
	errs := 0
	for errs < len(in.Errors) && (!full || in.Errors[errs].Before < len(in.Items)) {
		into.Fail(in.Errors[errs])
		errs++
	}
	if full || len(b.batch) == 0 {
		b.emit(into)
	}
	for _, e := range in.Errors[errs:] {
		into.Fail(e)
	}
	into.Partial = b.partial || len(b.batch) > 0 // whose tokens wait
}

// maxPresize is how many places a slice gets before there are items for them.
const maxPresize = 1 << 12

// emit hands on the batch at hand, if there is one, and all tokens so far.
func (b *batching[T]) emit(into *Chunk[[]T]) {
	if len(b.batch) > 0 {
		b.m.Merged += int64(len(b.batch)) - 1
		into.Items = append(into.Items, b.batch)
		into.Block = b.block
	}
	into.Tokens = append(into.Tokens, b.tokens...)
	b.batch, b.tokens, b.block, b.parts = nil, b.tokens[:0], nil, 0
}

// appendTokens joins ranges that follow each other in one part, so that what an
// operator keeps does not grow while no items come.
func appendTokens(to, from []Token) []Token {
	for _, t := range from {
		if n := len(to); n > 0 {
			last := &to[n-1]
			if last.First+last.N == t.First && last.Source == t.Source && last.At.Part == t.At.Part && last.At.Key == t.At.Key {
				last.N += t.N
				continue
			}
		}
		to = append(to, t)
	}
	return to
}

// Close implements Puller. It is idempotent.
func (b *batching[T]) Close() error {
	if b.closed {
		return nil
	}
	b.m.Settle()
	b.end, b.batch, b.tokens, b.block, b.in = io.EOF, nil, nil, nil, Chunk[T]{}
	return b.upstream.Close()
}

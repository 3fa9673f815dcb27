package source_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

const n = benchtest.Items

// BenchmarkSource drains each of the sources in memory. Beside them stand, in
// BenchmarkLoop, the loops that a program without streams would write.
func BenchmarkSource(b *testing.B) {
	items := make([]int, n)
	benchtest.DrainByChunk(b, "source=Of", n, n, func() stage.Stream[int] { return source.Of(items...) })
	benchtest.DrainByChunk(b, "source=Slice", n, n, func() stage.Stream[int] { return source.Slice(items) })
	benchtest.DrainByChunk(b, "source=Range", n, n, func() stage.Stream[int] { return source.Range(0, n) })
	benchtest.DrainByChunk(b, "source=Seq", n, n, func() stage.Stream[int] { return source.Seq(sequence) })
	benchtest.DrainByChunk(b, "source=Seq2", n, n, func() stage.Stream[stage.Pair[int, int]] { return source.Seq2(sequence2) })
	benchtest.DrainByChunk(b, "source=SeqErr", n, n, func() stage.Stream[int] { return source.SeqErr(sequenceErr) })
	benchtest.DrainByChunk(b, "source=Func", n, n, func() stage.Stream[int] { return source.Func(counter()) })
	for _, buffer := range []int{0, 1024} {
		benchtest.DrainByChunk(b, fmt.Sprintf("source=Chan/buffer=%d", buffer), n, n, func() stage.Stream[int] {
			return source.Chan(sent(buffer))
		})
	}
}

// total keeps what is computed from being left out.
var total int

func BenchmarkLoop(b *testing.B) {
	loop := func(name string, f func()) {
		b.Run(name, func(b *testing.B) { benchtest.PerItem(b, n, f) })
	}
	items := make([]int, n)
	loop("over=Slice", func() {
		for _, v := range items {
			total += v
		}
	})
	loop("over=Range", func() {
		for v := range n {
			total += v
		}
	})
	loop("over=Seq", func() {
		for v := range sequence {
			total += v
		}
	})
	loop("over=iter.Pull", func() { // what Seq costs at best if each item is pulled alone
		next, stop := iter.Pull(sequence)
		defer stop()
		for v, ok := next(); ok; v, ok = next() {
			total += v
		}
	})
	loop("over=Func", func() {
		next := counter()
		for v, err := next(b.Context()); err == nil; v, err = next(b.Context()) {
			total += v
		}
	})
	for _, buffer := range []int{0, 1024} {
		loop(fmt.Sprintf("over=Chan/buffer=%d", buffer), func() {
			for v := range sent(buffer) {
				total += v
			}
		})
	}
}

// sequence yields n numbers; what follows gives the same in other shapes.
//
//go:noinline
func sequence(yield func(int) bool) {
	for v := range n {
		if !yield(v) {
			return
		}
	}
}

func sequence2(yield func(int, int) bool) {
	for v := range n {
		if !yield(v, v) {
			return
		}
	}
}

func sequenceErr(yield func(int, error) bool) {
	for v := range n {
		if !yield(v, nil) {
			return
		}
	}
}

func counter() func(context.Context) (int, error) {
	v := 0
	return func(context.Context) (int, error) {
		if v == n {
			return 0, io.EOF
		}
		v++
		return v, nil
	}
}

// sent is a channel to which a goroutine sends n numbers; it ends when they
// are received.
func sent(buffer int) <-chan int {
	ch := make(chan int, buffer)
	go func() {
		defer close(ch)
		for v := range n {
			ch <- v
		}
	}()
	return ch
}

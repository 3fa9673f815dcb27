package benchtest

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/penstock-go/penstock/stage"
)

// Drain opens s, pulls it to its end in chunks of at most the given size and
// closes it. b fails if that gives an error or other than want items; failed
// items are not counted.
func Drain[T any](b *testing.B, s stage.Stream[T], chunk, want int) {
	b.Helper()
	p, err := s.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var c stage.Chunk[T]
	got := 0
	for err == nil {
		err = p.Pull(b.Context(), &c, stage.Limit{Items: chunk})
		got += len(c.Items)
	}
	if err == io.EOF {
		err = nil
	}
	if err = errors.Join(err, p.Close()); err != nil {
		b.Fatal(err)
	}
	if got != want {
		b.Fatalf("drained %d items, want %d", got, want)
	}
}

// DrainByChunk has a sub-benchmark for each of several chunk sizes, name/chunk=1
// and so on, that drains a stream. What it reports is per item of n, which may
// be other than want, the number of items that come out. Each round asks for a
// stream of its own.
func DrainByChunk[T any](b *testing.B, name string, n, want int, stream func() stage.Stream[T]) {
	b.Helper()
	for _, chunk := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("%s/chunk=%d", name, chunk), func(b *testing.B) {
			PerItem(b, n, func() { Drain(b, stream(), chunk, want) })
		})
	}
}

package reorder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/penstock-go/penstock/reorder"
)

// Workers finish in any order, the consumer gets the results in the order of the
// work. No worker runs more than four results ahead.
func ExampleBuffer() {
	words := strings.Fields("the quick brown fox jumps over the lazy dog")
	b := reorder.New[string](4)
	b.CloseAt(uint64(len(words)))
	ctx := context.Background()

	var workers sync.WaitGroup
	for w := range 3 {
		workers.Go(func() {
			for i := w; i < len(words); i += 3 {
				if err := b.Put(ctx, uint64(i), strings.ToUpper(words[i])); err != nil {
					return
				}
			}
		})
	}
	for {
		word, err := b.Next(ctx)
		if err == io.EOF {
			break
		}
		fmt.Print(word, " ")
	}
	workers.Wait()
	// Output: THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG
}

// With Add instead of Put, values come in the order in which they were ready.
func ExampleBuffer_Add() {
	b := reorder.New[int](2)
	ctx := context.Background()
	var producers sync.WaitGroup
	for i := range 5 {
		producers.Go(func() { _ = b.Add(ctx, i) }) // waits while there are two
	}
	go func() {
		producers.Wait()
		b.Close()
	}()
	sum := 0
	for {
		v, err := b.Next(ctx)
		if err == io.EOF {
			break
		}
		sum += v
	}
	fmt.Println(sum)
	// Output: 10
}

// TryNext never waits: what comes too early stays until its turn.
func ExampleBuffer_TryNext() {
	b := reorder.New[string](8)
	ctx := context.Background()
	_ = b.Put(ctx, 1, "second")
	_, ok := b.TryNext()
	fmt.Println(ok)
	_ = b.Put(ctx, 0, "first")
	for v, ok := b.TryNext(); ok; v, ok = b.TryNext() {
		fmt.Println(v)
	}
	// Output:
	// false
	// first
	// second
}

// The end may be told before, while or after values are put.
func ExampleBuffer_CloseAt() {
	b := reorder.New[string](8)
	ctx := context.Background()
	b.CloseAt(1)
	fmt.Println(b.Put(ctx, 1, "one too many"))
	fmt.Println(b.Put(ctx, 0, "the only one"))
	fmt.Println(b.Next(ctx))
	_, err := b.Next(ctx)
	fmt.Println(err)
	// Output:
	// reorder: number lies behind the end: 1 of 1
	// <nil>
	// the only one <nil>
	// EOF
}

// Abort ends all waiting. What had been stored can still be collected.
func ExampleBuffer_Abort() {
	b := reorder.New[string](8)
	ctx := context.Background()
	_ = b.Put(ctx, 3, "fourth")
	_ = b.Put(ctx, 1, "second")

	b.Abort(errors.New("the disk is full"))
	_, err := b.Next(ctx) // would have waited for the first
	fmt.Println(err)
	fmt.Println(b.Put(ctx, 0, "first"))
	for v := range b.Drain() {
		fmt.Println("left:", v)
	}
	// Output:
	// the disk is full
	// the disk is full
	// left: second
	// left: fourth
}

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/pool"
)

// Callbacks run beside the result; Wait waits for them too.
func ExampleResult_OnSuccess() {
	p := pool.New(2)
	r := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 42, nil })
	r.OnSuccess(func(answer int) { fmt.Println("the answer is", answer) })
	r.OnFailure(func(err error) { fmt.Println("no answer:", err) })
	p.Close()
	fmt.Println(p.Wait())
	// Output:
	// the answer is 42
	// <nil>
}

func ExampleResult_OnFailure() {
	p := pool.New(2)
	r := pool.ApplyAsync(context.Background(), p, func(context.Context) (int, error) { return 0, errors.New("the line is dead") })
	r.OnSuccess(func(answer int) { fmt.Println("the answer is", answer) })
	r.OnFailure(func(err error) { fmt.Println("no answer:", err) })
	p.Close()
	fmt.Println(p.Wait())
	// Output:
	// no answer: the line is dead
	// <nil>
}

// A result that was not there in time can be asked for again.
func ExampleResult_Get() {
	ctx := context.Background()
	arrived := make(chan struct{})
	r := pool.ApplyAsync(ctx, nil, func(context.Context) (string, error) {
		<-arrived
		return "the answer", nil
	})

	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := r.Get(soon)
	fmt.Println(err)

	close(arrived)
	fmt.Println(r.Get(ctx))
	// Output:
	// context deadline exceeded
	// the answer <nil>
}

func ExampleResult_Done() {
	r := pool.ApplyAsync(context.Background(), nil, func(context.Context) (int, error) { return 42, nil })
	select {
	case <-r.Done():
		fmt.Println(r.Ready(), r.Successful())
	case <-time.After(time.Minute):
		fmt.Println("still waiting")
	}
	// Output: true true
}

func ExampleResult_Ready() {
	ctx := context.Background()
	arrived := make(chan struct{})
	r := pool.ApplyAsync(ctx, nil, func(context.Context) (int, error) {
		<-arrived
		return 42, nil
	})
	fmt.Println(r.Ready())
	close(arrived)
	<-r.Done()
	fmt.Println(r.Ready())
	// Output:
	// false
	// true
}

func ExampleResult_Successful() {
	r := pool.ApplyAsync(context.Background(), nil, func(context.Context) (int, error) { return 0, errors.New("the line is dead") })
	<-r.Done()
	fmt.Println(r.Ready(), r.Successful())
	// Output: true false
}

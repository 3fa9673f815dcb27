package backpressure_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-go/penstock/backpressure"
)

// Ten downloads may run as long as together they hold no more than 100 bytes. One
// that is larger than that runs alone.
func ExampleGate() {
	gate := backpressure.New(backpressure.Cost{Items: 10, Bytes: 100})
	ctx := context.Background()
	var wg sync.WaitGroup
	for _, size := range []int64{40, 40, 40, 150, 10} {
		cost := backpressure.Cost{Items: 1, Bytes: size}
		if err := gate.Acquire(ctx, cost); err != nil { // waits for its turn
			fmt.Println(err)
			return
		}
		wg.Go(func() {
			defer gate.Release(cost)
			// ... download
		})
	}
	wg.Wait()
	fmt.Println("in use:", gate.Stats().InUse.Bytes)
	fmt.Println("peak:", gate.Stats().Peak.Bytes)
	// Output:
	// in use: 0
	// peak: 150
}

// A request that does not fit waits in line until its context ends.
func ExampleGate_Acquire() {
	gate := backpressure.New(backpressure.Cost{Items: 3})
	two := backpressure.Cost{Items: 2}
	fmt.Println(gate.Acquire(context.Background(), two))

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(gate.Acquire(ctx, two))
	fmt.Println(gate.Stats().InUse.Items, "in use")
	// Output:
	// <nil>
	// context deadline exceeded
	// 2 in use
}

// TryAcquire never waits and never overtakes who does.
func ExampleGate_TryAcquire() {
	gate := backpressure.New(backpressure.Cost{Items: 4})
	fmt.Println(gate.TryAcquire(backpressure.Cost{Items: 3}))

	var first backpressure.Reservation
	gate.Reserve(&first, backpressure.Cost{Items: 2}) // in line
	fmt.Println(gate.TryAcquire(backpressure.Cost{Items: 1}))
	gate.Cancel(&first)
	fmt.Println(gate.TryAcquire(backpressure.Cost{Items: 1}))
	// Output:
	// true
	// false
	// true
}

// A result turns out larger than what was asked for. It is there already, so
// nobody waits; the next request does.
func ExampleGate_Add() {
	gate := backpressure.New(backpressure.Cost{Bytes: 100})
	fmt.Println(gate.TryAcquire(backpressure.Cost{Bytes: 10}))
	gate.Add(backpressure.Cost{Bytes: 120})
	fmt.Println("in debt:", gate.InDebt())
	fmt.Println(gate.TryAcquire(backpressure.Cost{Bytes: 1}))
	gate.Release(backpressure.Cost{Bytes: 120})
	fmt.Println(gate.TryAcquire(backpressure.Cost{Bytes: 1}))
	// Output:
	// true
	// in debt: true
	// false
	// true
}

// The budget may change at any time. What waits is admitted as soon as it fits.
func ExampleGate_SetLimit() {
	gate := backpressure.New(backpressure.Cost{Items: 1})
	one := backpressure.Cost{Items: 1}
	gate.TryAcquire(one)
	var r backpressure.Reservation
	fmt.Println("at once:", gate.Reserve(&r, one))
	gate.SetLimit(backpressure.Cost{Items: 2})
	<-r.Ready()
	fmt.Println("in use:", gate.Stats().InUse.Items)
	// Output:
	// at once: false
	// in use: 2
}

// A reservation waits for budget and for something else at once, and is used
// again without an allocation.
func ExampleReservation() {
	gate := backpressure.New(backpressure.Cost{Items: 1})
	one := backpressure.Cost{Items: 1}
	stop := make(chan struct{})
	gate.TryAcquire(one)

	var r backpressure.Reservation
	if !gate.Reserve(&r, one) {
		close(stop)
		select {
		case <-r.Ready():
			fmt.Println("admitted")
		case <-stop:
			gate.Cancel(&r)
			fmt.Println("stopped,", gate.Stats().Waiters, "in line")
		}
	}
	gate.Release(one)
	fmt.Println(gate.Reserve(&r, one))
	// Output:
	// stopped, 0 in line
	// true
}

package main

import (
	"context"
	"slices"
	"time"
)

// fn is the function that every implementation applies to each item. All of
// them call it through a variable, so that none has it inlined.
type fn = func(context.Context, int) (int, error)

// noop does nothing, so that what is left is the cost of moving the item.
//
//go:noinline
func noop(_ context.Context, x int) (int, error) { return x, nil }

// keepAll is the filter of the chain.
//
//go:noinline
func keepAll(x int) bool { return x >= 0 }

// spin keeps a core busy for a number of steps, each of which needs the result
// of the one before it. Its result is never 0.
//
//go:noinline
func spin(seed uint64, steps int) uint64 {
	x := seed | 1
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// stepsFor is how many steps of spin take d on a core with nothing else to do:
// the median of many measurements, each long enough for the clock.
func stepsFor(d time.Duration) int {
	const steps, rounds = 200_000, 25
	took := make([]float64, rounds)
	for i := range took {
		start := time.Now()
		if spin(uint64(i), steps) == 0 {
			panic("peers: xorshift came to 0")
		}
		took[i] = float64(time.Since(start)) / steps
	}
	slices.Sort(took)
	return max(1, int(float64(d)/took[rounds/2]))
}

// spinFor is a function that keeps a core busy for d and returns its argument.
func spinFor(d time.Duration) fn {
	steps := stepsFor(d)
	return func(_ context.Context, x int) (int, error) {
		if spin(uint64(x), steps) == 0 { // so that the result is used
			return -1, nil
		}
		return x, nil
	}
}

// skewed sleeps 1 ms, and 50 ms for one item in 50.
func skewed(_ context.Context, x int) (int, error) {
	if x%50 == 0 {
		time.Sleep(50 * time.Millisecond)
	} else {
		time.Sleep(time.Millisecond)
	}
	return x, nil
}

// prefixed spins 1 us for the first items and sleeps 20 ms for each of the rest.
func prefixed(first int) fn {
	quick := spinFor(time.Microsecond)
	return func(ctx context.Context, x int) (int, error) {
		if x < first {
			return quick(ctx, x)
		}
		time.Sleep(20 * time.Millisecond)
		return x, nil
	}
}

// sleepFor is a function that sleeps for d and returns its argument.
func sleepFor(d time.Duration) fn {
	return func(_ context.Context, x int) (int, error) {
		time.Sleep(d)
		return x, nil
	}
}

// uneven spins for the longer time for one item in so many, for the shorter one
// for all others.
func uneven(short, long time.Duration, every int) fn {
	quick, slow := spinFor(short), spinFor(long)
	return func(ctx context.Context, x int) (int, error) {
		if x%every == every-1 {
			return slow(ctx, x)
		}
		return quick(ctx, x)
	}
}

// square is what Python's workers do too.
//
//go:noinline
func square(_ context.Context, x int) (int, error) { return x * x, nil }

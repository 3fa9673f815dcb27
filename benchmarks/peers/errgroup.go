package main

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// numbered is an item or a result with its place.
type numbered struct{ seq, v int }

// errgroupMap is the worker pool that one writes by hand: a producer, the workers
// and a consumer that puts the results back into order, with a map for those that
// came too early. A window keeps the workers from running ahead of a slow item
// without end.
func errgroupMap(ctx context.Context, j job) (tally, error) {
	t := j.tally()
	window := make(chan struct{}, j.window)
	results, wait := errgroupNumbered(ctx, j, window)
	early := make(map[int]int)
	next := 0
	for r := range results {
		early[r.seq] = r.v
		for {
			v, ok := early[next]
			if !ok {
				break
			}
			delete(early, next)
			t.add(v)
			next++
			<-window
		}
	}
	return t, wait()
}

// errgroupRing is errgroupMap with a ring instead of the map: what one gets to
// after a look at the profile.
func errgroupRing(ctx context.Context, j job) (tally, error) {
	type slot struct {
		v    int
		full bool
	}
	t := j.tally()
	window := make(chan struct{}, j.window)
	results, wait := errgroupNumbered(ctx, j, window)
	ring := make([]slot, j.window)
	next := 0
	for r := range results {
		ring[r.seq%len(ring)] = slot{r.v, true}
		for s := &ring[next%len(ring)]; s.full; s = &ring[next%len(ring)] {
			t.add(s.v)
			s.full = false
			next++
			<-window
		}
	}
	return t, wait()
}

// errgroupNumbered runs a producer and the workers. As no more items are on their
// way than fit into the window, the channels behind it never block.
func errgroupNumbered(ctx context.Context, j job, window chan struct{}) (<-chan numbered, func() error) {
	var (
		workers sync.WaitGroup
		tasks   = make(chan numbered, cap(window))
		results = make(chan numbered, cap(window))
	)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(tasks)
		seq := 0
		for x := range j.items() {
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			tasks <- numbered{seq, x}
			seq++
		}
		return nil
	})
	workers.Add(j.workers)
	for range j.workers {
		g.Go(func() error {
			defer workers.Done()
			for task := range tasks {
				v, err := j.fn(ctx, task.v)
				if err != nil {
					return err
				}
				results <- numbered{task.seq, v}
			}
			return nil
		})
	}
	g.Go(func() error {
		workers.Wait()
		close(results)
		return nil
	})
	return results, g.Wait
}

// errgroupUnordered is the same without the order: a producer, the workers and a
// consumer, with a channel before and after the workers.
func errgroupUnordered(ctx context.Context, j job) (tally, error) {
	var (
		t       = j.tally()
		workers sync.WaitGroup
		tasks   = make(chan int, j.window)
		results = make(chan int, j.window)
	)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(tasks)
		for x := range j.items() {
			if err := send(ctx, tasks, x); err != nil {
				return err
			}
		}
		return nil
	})
	workers.Add(j.workers)
	for range j.workers {
		g.Go(func() error {
			defer workers.Done()
			for x := range tasks {
				v, err := j.fn(ctx, x)
				if err != nil {
					return err
				}
				if err := send(ctx, results, v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		workers.Wait()
		close(results)
		return nil
	})
	for v := range results {
		t.add(v)
	}
	return t, g.Wait()
}

// errgroupChain is the chain with a goroutine and a channel for the source and
// for each function; the filter rides with the function behind it.
func errgroupChain(ctx context.Context, j job) (tally, error) {
	t := j.tally()
	g, ctx := errgroup.WithContext(ctx)
	source := make(chan int, j.window)
	g.Go(func() error {
		defer close(source)
		for x := range j.items() {
			if err := send(ctx, source, x); err != nil {
				return err
			}
		}
		return nil
	})
	always := func(int) bool { return true }
	apply := func(in <-chan int, f fn, pass func(int) bool) <-chan int {
		out := make(chan int, j.window)
		g.Go(func() error {
			defer close(out)
			for x := range in {
				if !pass(x) {
					continue
				}
				v, err := f(ctx, x)
				if err != nil {
					return err
				}
				if err := send(ctx, out, v); err != nil {
					return err
				}
			}
			return nil
		})
		return out
	}
	mapped := apply(apply(source, j.fn, always), j.fn, always)
	for v := range apply(mapped, j.fn, keep) {
		t.add(v)
	}
	return t, g.Wait()
}

// send sends v unless the context ends first.
func send(ctx context.Context, to chan<- int, v int) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package main

import (
	"context"

	"github.com/alitto/pond/v2"
)

// pondGroup submits a task an item to a group of a result pool. The group's Wait
// returns all results in the order of the tasks, so that the consumer gets the
// first one when the last one is there; there is no bound on what is queued.
func pondGroup(ctx context.Context, j job) (tally, error) {
	pool := pond.NewResultPool[int](j.workers)
	defer pool.StopAndWait()
	return pondOn(pool)(ctx, j)
}

// pondOn is pondGroup on a pool that others share.
func pondOn(pool pond.ResultPool[int]) func(context.Context, job) (tally, error) {
	return func(ctx context.Context, j job) (tally, error) {
		t := j.tally()
		group := pool.NewGroupContext(ctx)
		for x := range j.items() {
			group.SubmitErr(func() (int, error) { return j.fn(ctx, x) })
		}
		results, err := group.Wait()
		if err != nil {
			return t, err
		}
		for _, v := range results {
			t.add(v)
		}
		return t, nil
	}
}

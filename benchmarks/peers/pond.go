package main

import (
	"context"

	"github.com/alitto/pond/v2"
)

// pondGroup submits a task an item to a group of a result pool. The group's Wait
// returns all results in the order of the tasks; there is no bound on what is
// queued.
func pondGroup(ctx context.Context, j job) (tally, error) {
	var t tally
	pool := pond.NewResultPool[int](j.workers)
	defer pool.StopAndWait()
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

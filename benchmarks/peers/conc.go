package main

import (
	"context"

	"github.com/sourcegraph/conc/stream"
)

// concStream uses stream.Stream: a task an item, which returns the callback that
// takes its result; callbacks run in the order of the tasks. A task cannot fail:
// its callback knows. There is no way to stop half way.
func concStream(ctx context.Context, j job) (tally, error) {
	var (
		t      = j.tally()
		failed error
		s      = stream.New().WithMaxGoroutines(j.workers)
	)
	for x := range j.items() {
		s.Go(func() stream.Callback {
			v, err := j.fn(ctx, x)
			return func() {
				if err != nil {
					failed = err
					return
				}
				t.add(v)
			}
		})
	}
	s.Wait()
	return t, failed
}

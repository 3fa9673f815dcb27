package main

import (
	"context"
	"sync"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
)

// goStreamsMap is a channel source, a Map and a channel sink. Map keeps the order
// only with one worker, as its documentation says, so that is what an ordered
// job gets. A function cannot fail, and nothing can be stopped half way.
func goStreamsMap(ctx context.Context, j job) (tally, error) {
	workers := j.workers
	if j.ordered {
		workers = 1
	}
	var failure firstError
	return goStreamsRun(j, &failure, flow.NewMap(failure.mapper(ctx, j.fn), workers))
}

// goStreamsChain is the chain, a flow a stage.
func goStreamsChain(ctx context.Context, j job) (tally, error) {
	var failure firstError
	f := failure.mapper(ctx, j.fn)
	return goStreamsRun(j, &failure,
		flow.NewMap(f, 1), flow.NewMap(f, 1), flow.NewFilter(keep, 1), flow.NewMap(f, 1))
}

// goStreamsRun runs flows that make ints of ints.
func goStreamsRun(j job, failure *firstError, flows ...streams.Flow) (tally, error) {
	return goStreamsTake(j, failure, takeInt, flows...)
}

// goStreamsTake runs flows and gives what they make to take.
func goStreamsTake[T any](j job, failure *firstError, take func(*tally, T), flows ...streams.Flow) (tally, error) {
	out := make(chan any, j.buffer)
	last := goStreamsSource(j).Via(flows[0])
	for _, f := range flows[1:] {
		last = last.Via(f)
	}
	var running sync.WaitGroup
	running.Go(func() { last.To(extension.NewChanSink(out)) })
	t := j.tally()
	for v := range out {
		take(&t, v.(T)) //nolint:forcetypeassert // that is what the flows make
	}
	running.Wait()
	return t, failure.err
}

// goStreamsSource is a source of the job's items.
func goStreamsSource(j job) streams.Source {
	in := make(chan any, j.buffer)
	go func() {
		defer close(in)
		for x := range j.items() {
			in <- x
		}
	}()
	return extension.NewChanSource(in)
}

// firstError remembers an error on behalf of functions that cannot return one.
type firstError struct {
	once sync.Once
	err  error
}

func (e *firstError) note(err error) {
	if err != nil {
		e.once.Do(func() { e.err = err })
	}
}

func (e *firstError) mapper(ctx context.Context, f fn) func(int) int {
	return func(x int) int {
		v, err := f(ctx, x)
		e.note(err)
		return v
	}
}

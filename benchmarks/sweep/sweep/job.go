package sweep

import (
	"context"
	"errors"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// Job is what a sweep runs. Source and Func must be set.
type Job[A, B any] struct {
	// Name names the job in the report and its files. The default is "job".
	Name string
	// Description is a sentence for the report: what the function does, to what.
	Description string

	// Source is where items come from. It is run once per combination and round,
	// so it must deliver the same items each time: no channel, no standard input.
	Source stage.Stream[A]
	// Func is what the workers apply to each item, as with pool.Imap.
	Func func(context.Context, A) (B, error)
	// Sink is where results go. It is a plan, opened anew by every run: a file is
	// written over and over. Nil means that results are counted and dropped.
	Sink stage.Sink[B]

	// SizeOf is how many bytes an item counts for in the bytes per second. It is
	// called once per item, off the clock, before anything is measured. Nil means
	// the length of items that are strings or byte slices, and no such figure for
	// others.
	SizeOf func(A) int
	// Options are given to the pool's verb in every run: pool.InFlight,
	// pool.InFlightBytes, pool.SizeOf. Chunk size, order and name are the sweep's
	// to set; pool.Unordered here would make Ordered unordered too.
	Options []pool.Option
}

func (j *Job[A, B]) name() string {
	if j.Name == "" {
		return "job"
	}
	return j.Name
}

// sizeOf is how the job's bytes are counted, nil if they are not.
func (j *Job[A, B]) sizeOf() func(A) int {
	if j.SizeOf != nil {
		return j.SizeOf
	}
	var none A
	switch any(none).(type) {
	case string:
		return func(a A) int {
			s, _ := any(a).(string)
			return len(s)
		}
	case []byte:
		return func(a A) int {
			b, _ := any(a).([]byte)
			return len(b)
		}
	}
	return nil
}

// bytes adds up the sizes of the source's items; 0 if they are not counted.
// Failed items count nothing.
func (j *Job[A, B]) bytes(ctx context.Context, keepGoing bool) (int64, error) {
	size := j.sizeOf()
	if size == nil {
		return 0, nil
	}
	var n int64
	for item, err := range j.Source.All(ctx) {
		if err != nil {
			if _, one := errors.AsType[*stage.ItemError](err); one && keepGoing {
				continue
			}
			return 0, err
		}
		n += int64(size(item))
	}
	return n, nil
}

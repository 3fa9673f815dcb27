package stage_test

import (
	"context"
	"testing"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// BenchmarkStallAfter is what the notes of a run that is watched cost.
func BenchmarkStallAfter(b *testing.B) {
	inc := stage.Pure(func(v int) int { return v + 1 })
	for name, opts := range map[string][]stage.RunOption{
		"off": nil, "on": {stage.StallAfter(time.Hour, nil)},
	} {
		for kind, over := range map[string]func(stage.Stream[int]) stage.Stream[int]{
			"map":  func(s stage.Stream[int]) stage.Stream[int] { return stage.Map(s, inc) },
			"imap": func(s stage.Stream[int]) stage.Stream[int] { return pool.Imap(pool.New(2), s, inc) },
		} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				ignore := sink.Func(func(context.Context, int) error { return nil })
				if _, err := stage.Run(b.Context(), over(source.Slice(make([]int, b.N))), ignore, opts...); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

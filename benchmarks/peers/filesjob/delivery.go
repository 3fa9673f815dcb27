package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// kept is a flight as the job of the suite delivery writes it.
type kept struct {
	Date        string `json:"date"`
	Delay       int    `json:"delay"`
	Distance    int    `json:"distance"`
	Origin      string `json:"origin"`
	Destination string `json:"destination"`
}

// deliver writes the flights as NDJSON, in order. seen is called with each block of
// them that is written.
func deliver(ctx context.Context, t task, seen func(items int), opts ...stage.RunOption) (stage.Summary, error) {
	p := pool.New(workers)
	defer p.Close()
	flights := source.CSV[flight](t.in[0], source.Paths(t.in[1:]...))
	rows := pool.Imap(p, flights, func(_ context.Context, f flight) (kept, error) { return kept(f), nil })
	blocks := pool.Encode(p, rows, sink.NDJSONEncoder[kept]()).Tap(func(b stage.Block) { seen(b.Items) })
	return stage.Run(ctx, blocks, sink.File(t.out), opts...)
}

// deliverAtEnd syncs once, at the end.
func deliverAtEnd(ctx context.Context, t task) error {
	_, err := deliver(ctx, t, func(int) {})
	return err
}

// everySecond is the checkpoint of the suite.
func everySecond(t task) stage.RunOption {
	return stage.Checkpoint(checkpoint.File(t.out+".checkpoint"), time.Second)
}

// deliverCheckpointed takes a checkpoint each second.
func deliverCheckpointed(ctx context.Context, t task) error {
	_, err := deliver(ctx, t, func(int) {}, everySecond(t))
	return err
}

// deliverCrash ends the process where 80 % of the flights are written and the next
// checkpoint is taken.
func deliverCrash(ctx context.Context, t task) error {
	rows, err := countRows(ctx, t)
	if err != nil {
		return err
	}
	written := 0
	_, err = deliver(ctx, t, func(items int) {
		if written += items; written > rows/10*8 {
			time.Sleep(1500 * time.Millisecond) // so that what was written is in a checkpoint
			p, err := os.FindProcess(os.Getpid())
			if err == nil {
				_ = p.Kill()
			}
			select {}
		}
	}, everySecond(t))
	return fmt.Errorf("it did not crash: %w", err)
}

func countRows(ctx context.Context, t task) (int, error) {
	p := pool.New(workers)
	defer p.Close()
	return pool.Reduce(ctx, p, source.LineBytes(t.in[0], source.Paths(t.in[1:]...)),
		func() int { return 0 },
		func(_ context.Context, n int, _ []byte) (int, error) { return n + 1, nil },
		func(a, b int) (int, error) { return a + b, nil })
}

// deliverResume goes on from there, prints after how many seconds the first block
// came to the sink, and what was resumed.
func deliverResume(ctx context.Context, t task) error {
	start := time.Now()
	first := time.Duration(0)
	sum, err := deliver(ctx, t, func(int) {
		if first == 0 {
			first = time.Since(start)
		}
	}, everySecond(t))
	if err != nil {
		return err
	}
	if sum.Resumed == nil {
		return fmt.Errorf("%s: nothing was resumed", filepath.Base(t.out))
	}
	return printLines(fmt.Sprintf("%.6f %d", first.Seconds(), sum.Resumed.Sources[0].Done))
}

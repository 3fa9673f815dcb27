package main

import (
	"context"
	"strings"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// sortMemory is how much of the lines is in memory at a time.
const sortMemory = 64 << 20

// sortLines writes the lines in the order of their bytes.
func sortLines(ctx context.Context, t task) error {
	lines := source.Lines(t.in[0], source.Paths(t.in[1:]...))
	sorted := stage.Sort(lines, strings.Compare, stage.SpillMemory(sortMemory))
	_, err := stage.Run(ctx, sorted, sink.Lines(t.out))
	return err
}

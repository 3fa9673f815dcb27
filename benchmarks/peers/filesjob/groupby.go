package main

import (
	"bufio"
	"context"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// linesCount counts the lines.
func linesCount(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	n, err := pool.Reduce(ctx, p, source.LineBytes(t.in[0], source.Paths(t.in[1:]...)),
		func() int { return 0 },
		func(_ context.Context, n int, _ []byte) (int, error) { return n + 1, nil },
		func(a, b int) (int, error) { return a + b, nil })
	if err != nil {
		return err
	}
	return printLines(strconv.Itoa(n))
}

// mean is the mean delay of an origin's flights.
type mean struct{ n, sum int }

// groupBy prints the mean delay by origin.
func groupBy(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	flights := source.Records(t.in[0], source.Paths(t.in[1:]...), source.Columns("origin", "delay"), source.Borrow())
	means, err := pool.Reduce(ctx, p, flights,
		func() map[string]*mean { return map[string]*mean{} },
		func(_ context.Context, means map[string]*mean, r source.Record) (map[string]*mean, error) {
			delay, err := strconv.Atoi(r.At(1))
			if err != nil {
				return means, err
			}
			m := means[r.At(0)]
			if m == nil {
				m = &mean{}
				means[strings.Clone(r.At(0))] = m
			}
			m.n++
			m.sum += delay
			return means, nil
		},
		func(a, b map[string]*mean) (map[string]*mean, error) {
			for origin, m := range b {
				if a[origin] == nil {
					a[origin] = &mean{}
				}
				a[origin].n += m.n
				a[origin].sum += m.sum
			}
			return a, nil
		})
	if err != nil {
		return err
	}
	lines := make([]string, 0, len(means))
	for origin, m := range means {
		lines = append(lines, origin+","+strconv.FormatFloat(float64(m.sum)/float64(m.n), 'f', 9, 64))
	}
	slices.Sort(lines)
	return printLines(lines...)
}

func printLines(lines ...string) error {
	w := bufio.NewWriter(os.Stdout)
	for _, line := range lines {
		w.WriteString(line + "\n") //nolint:errcheck,gosec // Flush tells
	}
	return w.Flush()
}

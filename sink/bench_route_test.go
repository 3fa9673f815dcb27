package sink_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/stage"
)

// BenchmarkGroup is what an item costs on its way through a Route or a Multi, beside
// one sink alone. Sinks drop what they are given; chunks have 256 items.
func BenchmarkGroup(b *testing.B) {
	const chunk = 256
	drop := func(string) stage.Sink[int] { return sink.Discard[int]() }
	routes := func(n int) stage.Sink[int] {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprint("route ", i)
		}
		return sink.Route(func(v int) string { return names[v%n] }, drop)
	}
	for _, bench := range []struct {
		name string
		sink stage.Sink[int]
	}{
		{"none", sink.Discard[int]()},
		{"routes=1", routes(1)},
		{"routes=2", routes(2)},
		{"routes=16", routes(16)},
		{"routes=1000", routes(1000)},
		{"sinks=2", sink.Multi(drop(""), drop(""))},
		{"sinks=4", sink.Multi(drop(""), drop(""), drop(""), drop(""))},
	} {
		b.Run("group="+bench.name, func(b *testing.B) {
			w, err := bench.sink.Open(b.Context(), nil)
			require.NoError(b, err)
			c := &stage.Chunk[int]{Items: make([]int, chunk)}
			write := func() {
				for from := 0; from < benchtest.Items; from += chunk {
					for i := range c.Items {
						c.Items[i] = from + i
					}
					if err := w.Write(b.Context(), c); err != nil {
						b.Fatal(err)
					}
				}
			}
			write() // opens the routes
			benchtest.PerItem(b, benchtest.Items, write)
			require.NoError(b, w.Close(b.Context(), nil))
		})
	}
}

// In the steady state nothing is allocated.
func TestGroupsDoNotAllocate(t *testing.T) {
	c := &stage.Chunk[int]{Items: make([]int, 100), Tokens: make([]stage.Token, 1)}
	drop := func(string) stage.Sink[int] { return sink.Discard[int]() }
	for i := range c.Items {
		c.Items[i] = i
	}
	for _, s := range []stage.Sink[int]{sink.Route(parity, drop), sink.Multi(drop(""), drop(""))} {
		w, err := s.Open(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := w.Write(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}), fmt.Sprint(s))
		require.NoError(t, w.Close(t.Context(), nil))
	}
}

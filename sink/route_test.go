package sink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

var errBoom = errors.New("boom")

// parity is the route of a number.
func parity(v int) string {
	if v%2 == 0 {
		return "even"
	}
	return "odd"
}

// filesOf is what the files of a folder hold, by name.
func filesOf(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(tb, err)
		files[e.Name()] = string(text)
	}
	return files
}

// numbered are sinks of a file for each route.
func numbered(dir string, opts ...sink.FileOption) func(string) stage.Sink[int] {
	return func(route string) stage.Sink[int] {
		return sink.NDJSON[int](filepath.Join(dir, route+".ndjson"), opts...)
	}
}

// Whatever the chunks and routes, each sink has what a loop gives it, in order.
func TestRouteIsTheLoop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "items")
		routes := rapid.IntRange(1, 9).Draw(t, "routes")
		by := func(v int) string { return fmt.Sprint(v * v % routes) }
		want := map[string][]int{}
		for v := range n {
			want[by(v)] = append(want[by(v)], v)
		}
		got := map[string]*[]int{}
		var opened []string
		s := sink.Route(by, func(route string) stage.Sink[int] {
			opened = append(opened, route)
			got[route] = new([]int)
			return sink.Collect(got[route])
		})
		in := stage.Unbatch(stage.Batch(source.Range(0, n), rapid.IntRange(1, 50).Draw(t, "chunk")))
		sum, err := stage.Run(t.Context(), in, s)
		require.NoError(t, err)
		assert.EqualValues(t, n, sum.Written)
		require.Len(t, got, len(want))
		require.Len(t, opened, len(want), "each is made once")
		for route, items := range want {
			assert.Equal(t, items, *got[route])
		}
	})
}

func TestRouteWritesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := stage.Run(t.Context(), source.Range(0, 5), sink.Route(parity, numbered(dir)))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"even.ndjson": "0\n2\n4\n", "odd.ndjson": "1\n3\n"}, filesOf(t, dir))
}

// What fails leaves no file, and names the route and the item.
func TestRouteFails(t *testing.T) {
	t.Parallel()
	for want, by := range map[string]func(v int) string{
		"sink: Route: item 900: panic: boom": func(v int) string {
			if v == 900 {
				panic(errBoom)
			}
			return parity(v)
		},
		`sink: Route: item 900: route "many": too many routes: more than MaxRoutes(3)`: func(v int) string {
			if v == 900 {
				return "many"
			}
			return fmt.Sprint(v % 3)
		},
	} {
		dir := t.TempDir()
		_, err := stage.Run(t.Context(), source.Range(0, 1000), sink.Route(by, numbered(dir), sink.MaxRoutes(3)))
		require.EqualError(t, err, want)
		assert.Empty(t, filesOf(t, dir))
	}
	for want, open := range map[string]func(string) stage.Sink[int]{
		`sink: Route: route "odd": open returned no sink`:             func(string) stage.Sink[int] { return nil },
		`sink: Route: route "odd": panic: boom`:                       func(string) stage.Sink[int] { panic(errBoom) },
		`sink: Route: route "odd": sink: item 1: boom`:                func(string) stage.Sink[int] { return fails(3) },
		`sink: Route: route "odd": sink: no/such: folder no: no such`: func(string) stage.Sink[int] { return sink.NDJSON[int]("no/such") },
	} {
		dir := t.TempDir()
		_, err := stage.Run(t.Context(), source.Range(0, 1000), sink.Route(parity, func(route string) stage.Sink[int] {
			if route == "odd" {
				return open(route)
			}
			return numbered(dir)(route)
		}))
		require.ErrorContains(t, err, want)
		assert.Empty(t, filesOf(t, dir))
	}
}

// fails is a sink that fails at an item.
func fails(at int) stage.Sink[int] {
	return sink.Func(func(_ context.Context, v int) error {
		if v == at {
			return errBoom
		}
		return nil
	})
}

func TestRouteEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = stage.Run(t.Context(), source.Range(0, 1000), sink.Route(func(v int) string {
			if v == 900 {
				runtime.Goexit()
			}
			return parity(v)
		}, numbered(dir)))
	}()
	<-done
	assert.Empty(t, filesOf(t, dir))
}

// However often a run fails and goes on, each file has what an undisturbed run writes,
// also where what is appended to it came behind the last checkpoint.
func TestRouteGoesOn(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]sink.FileOption{"whole": nil, "append": {sink.Append()}} {
		dir := t.TempDir()
		for runs := 0; ; runs++ {
			require.Less(t, runs, 100)
			seen := 0
			in := stage.Map(source.Range(0, 100), func(_ context.Context, v int) (int, error) {
				if seen++; seen == 17 {
					return 0, errBoom
				}
				return v, nil
			})
			by := func(v int) string { return fmt.Sprint(v / 11) }
			sum, err := stage.Run(t.Context(), in, sink.Route(by, numbered(dir, opts...)),
				stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 1))
			assert.Equal(t, stage.ExactlyOnce, sum.Guarantee)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errBoom)
		}
		got := filesOf(t, dir)
		var all strings.Builder
		for i := range 10 {
			all.WriteString(got[fmt.Sprintf("%d.ndjson", i)])
		}
		var want strings.Builder
		for v := range 100 {
			fmt.Fprintln(&want, v)
		}
		assert.Equal(t, want.String(), all.String(), name)
		assert.Len(t, got, 13, "files but for those of the checkpoint")
	}
}

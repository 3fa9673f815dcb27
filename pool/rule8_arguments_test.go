package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// verbCalls call each verb that takes options, with the given pool and ones.
func verbCalls() map[string]func(p *pool.Pool, opts ...pool.Option) {
	ctx := context.Background()
	in, pairs := stage.Stream[int]{}, stage.Stream[stage.Pair[int, int]]{}
	one := identity
	two := func(context.Context, int, int) (int, error) { return 0, nil }
	return map[string]func(p *pool.Pool, opts ...pool.Option){
		"Imap":          func(p *pool.Pool, opts ...pool.Option) { pool.Imap(p, in, one, opts...) },
		"ImapUnordered": func(p *pool.Pool, opts ...pool.Option) { pool.ImapUnordered(p, in, one, opts...) },
		"StarImap":      func(p *pool.Pool, opts ...pool.Option) { pool.StarImap(p, pairs, two, opts...) },
		"ImapWith": func(p *pool.Pool, opts ...pool.Option) {
			pool.ImapWith(p, in, func(context.Context) (int, error) { return 0, nil }, two, opts...)
		},
		"FlatMap": func(p *pool.Pool, opts ...pool.Option) {
			pool.FlatMap(p, in, func(context.Context, int, func(int)) error { return nil }, opts...)
		},
		"FilterMap": func(p *pool.Pool, opts ...pool.Option) {
			pool.FilterMap(p, in, func(context.Context, int) (int, bool, error) { return 0, false, nil }, opts...)
		},
		"MapChunks": func(p *pool.Pool, opts ...pool.Option) {
			pool.MapChunks(p, in, func(context.Context, []int) ([]int, error) { return nil, nil }, opts...)
		},
		"Map":          func(p *pool.Pool, opts ...pool.Option) { _, _ = pool.Map(ctx, p, in, one, opts...) },
		"Starmap":      func(p *pool.Pool, opts ...pool.Option) { _, _ = pool.Starmap(ctx, p, pairs, two, opts...) },
		"MapAsync":     func(p *pool.Pool, opts ...pool.Option) { pool.MapAsync(ctx, p, in, one, opts...) },
		"StarmapAsync": func(p *pool.Pool, opts ...pool.Option) { pool.StarmapAsync(ctx, p, pairs, two, opts...) },
		"Reduce": func(p *pool.Pool, opts ...pool.Option) {
			_, _ = pool.Reduce(ctx, p, in, func() int { return 0 }, two, func(int, int) (int, error) { return 0, nil }, opts...)
		},
	}
}

func TestR8_NilFunctions(t *testing.T) {
	ctx := context.Background()
	in, pairs := stage.Stream[int]{}, stage.Stream[stage.Pair[int, int]]{}
	p := pool.New(1)
	newState := func(context.Context) (int, error) { return 0, nil }
	two := func(context.Context, int, int) (int, error) { return 0, nil }
	acc := func() int { return 0 }
	merge := func(int, int) (int, error) { return 0, nil }
	result := pool.ApplyAsync(ctx, p, func(context.Context) (int, error) { return 0, nil })
	for _, c := range []struct {
		verb, argument string
		call           func()
	}{
		{"Imap", "fn", func() { pool.Imap[int, int](p, in, nil) }},
		{"ImapUnordered", "fn", func() { pool.ImapUnordered[int, int](p, in, nil) }},
		{"StarImap", "fn", func() { pool.StarImap[int, int, int](p, pairs, nil) }},
		{"ImapWith", "newState", func() { pool.ImapWith(p, in, nil, two) }},
		{"ImapWith", "fn", func() { pool.ImapWith[int, int, int](p, in, newState, nil) }},
		{"FlatMap", "fn", func() { pool.FlatMap[int, int](p, in, nil) }},
		{"FilterMap", "fn", func() { pool.FilterMap[int, int](p, in, nil) }},
		{"MapChunks", "fn", func() { pool.MapChunks[int, int](p, in, nil) }},
		{"Map", "fn", func() { _, _ = pool.Map[int, int](ctx, p, in, nil) }},
		{"Starmap", "fn", func() { _, _ = pool.Starmap[int, int, int](ctx, p, pairs, nil) }},
		{"MapAsync", "fn", func() { pool.MapAsync[int, int](ctx, p, in, nil) }},
		{"StarmapAsync", "fn", func() { pool.StarmapAsync[int, int, int](ctx, p, pairs, nil) }},
		{"Apply", "fn", func() { _, _ = pool.Apply[int](ctx, p, nil) }},
		{"ApplyAsync", "fn", func() { pool.ApplyAsync[int](ctx, p, nil) }},
		{"Reduce", "newAcc", func() { _, _ = pool.Reduce(ctx, p, in, nil, two, merge) }},
		{"Reduce", "step", func() { _, _ = pool.Reduce(ctx, p, in, acc, nil, merge) }},
		{"Reduce", "merge", func() { _, _ = pool.Reduce(ctx, p, in, acc, two, nil) }},
		{"Result.OnSuccess", "fn", func() { result.OnSuccess(nil) }},
		{"Result.OnFailure", "fn", func() { result.OnFailure(nil) }},
		{"SizeOf", "size", func() { pool.SizeOf[int](nil) }},
	} {
		t.Run(c.verb+"/"+c.argument, func(t *testing.T) {
			requirePanic(t, c.call, "penstock: pool."+c.verb+": ", c.argument+" is nil")
		})
	}
	assert.NoError(t, p.Wait(), "the pool is none the worse for it")
}

func TestR8_NegativeNumbers(t *testing.T) {
	for _, c := range []struct {
		name, argument string
		call           func()
	}{
		{"New", "workers is -1", func() { pool.New(-1) }},
		{"ChunkSize", "n is -1", func() { pool.ChunkSize(-1) }},
		{"InFlight", "items is -2", func() { pool.InFlight(-2) }},
		{"InFlightBytes", "n is -3", func() { pool.InFlightBytes(-3) }},
		{"RecycleAfter", "n is -4", func() { pool.RecycleAfter(-4) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			requirePanic(t, c.call, "penstock: pool."+c.name+": ", c.argument)
		})
	}
}

// An option is checked where it is used, with the verb's name: on a nil pool
// and on a closed one too, and before anything runs.
func TestR8_OptionsThatDoNotFit(t *testing.T) {
	closed := pool.New(1)
	closed.Close()
	pools := map[string]*pool.Pool{"open": pool.New(1), "closed": closed, "nil": nil}
	for name, call := range verbCalls() {
		for which, p := range pools {
			t.Run(name+"/"+which, func(t *testing.T) {
				verb := "penstock: pool." + name + ": "
				requirePanic(t, func() { call(p, pool.ChunkSize(1), nil) }, verb, "option 1 is nil")
				requirePanic(t, func() { call(p, pool.SizeOf(func(float64) int { return 0 })) }, verb, "SizeOf", "float64")
				requirePanic(t, func() { call(p, pool.SizeOf(func(int) int { return 0 }), pool.SizeOf(func([]byte) int { return 0 })) },
					verb, "SizeOf", "[]uint8")
				if name == "ImapWith" {
					call(p, pool.RecycleAfter(1))
				} else {
					requirePanic(t, func() { call(p, pool.RecycleAfter(1)) }, verb, "RecycleAfter")
				}
				call(p, pool.RecycleAfter(0), pool.ChunkSize(0), pool.InFlight(0), pool.InFlightBytes(0)) // the defaults
			})
		}
	}
	requirePanic(t, func() { pool.New(1, pool.Unordered(), nil) }, "penstock: pool.New: ", "option 1 is nil")
}

// The pool's defaults are checked as the verb's own options are.
func TestR8_DefaultsThatDoNotFit(t *testing.T) {
	recycling := pool.New(1, pool.RecycleAfter(1))
	sizing := pool.New(1, pool.SizeOf(func(float64) int { return 0 }))
	for name, call := range verbCalls() {
		t.Run(name, func(t *testing.T) {
			if name != "ImapWith" {
				requirePanic(t, func() { call(recycling) }, name, "RecycleAfter")
			}
			requirePanic(t, func() { call(sizing) }, name, "SizeOf")
		})
	}
}

// SizeOf may name the input or the output of each verb, and both.
func TestR8_SizeOfTypes(t *testing.T) {
	p := pool.New(1)
	ctx := context.Background()
	in, pairs := stage.Stream[int8]{}, stage.Stream[stage.Pair[int8, bool]]{}
	input := pool.SizeOf(func(int8) int { return 1 })
	pair := pool.SizeOf(func(stage.Pair[int8, bool]) int { return 1 })
	output := pool.SizeOf(func(string) int { return 1 })
	one := func(context.Context, int8) (string, error) { return "", nil }
	two := func(context.Context, int8, bool) (string, error) { return "", nil }
	pool.Imap(p, in, one, input, output)
	pool.ImapUnordered(p, in, one, input, output)
	pool.StarImap(p, pairs, two, pair, output)
	pool.ImapWith(p, in, func(context.Context) (bool, error) { return false, nil },
		func(context.Context, bool, int8) (string, error) { return "", nil }, input, output)
	pool.FlatMap(p, in, func(context.Context, int8, func(string)) error { return nil }, input, output)
	pool.FilterMap(p, in, func(context.Context, int8) (string, bool, error) { return "", false, nil }, input, output)
	pool.MapChunks(p, in, func(context.Context, []int8) ([]string, error) { return nil, nil }, input, output)
	_, err := pool.Map(ctx, p, in, one, input, output)
	assert.NoError(t, err)
	_, err = pool.Starmap(ctx, p, pairs, two, pair, output)
	assert.NoError(t, err)
	pool.MapAsync(ctx, p, in, one, input, output)
	pool.StarmapAsync(ctx, p, pairs, two, pair, output)
	_, err = pool.Reduce(ctx, p, in, func() string { return "" },
		func(context.Context, string, int8) (string, error) { return "", nil },
		func(string, string) (string, error) { return "", nil }, input)
	assert.NoError(t, err)
	assert.NoError(t, p.Wait())

	// The argument of a star verb is the pair, and a state is neither.
	requirePanic(t, func() { pool.StarImap(p, pairs, two, input) }, "StarImap", "int8", "Pair")
	requirePanic(t, func() {
		pool.ImapWith(p, in, func(context.Context) (bool, error) { return false, nil },
			func(context.Context, bool, int8) (string, error) { return "", nil }, pool.SizeOf(func(bool) int { return 1 }))
	}, "ImapWith", "bool")
}

// A wrong argument shows at the call of a lazy verb, not at the first pull; and
// it opens nothing.
func TestR8_CheckedBeforeAnythingIsOpened(t *testing.T) {
	opened := stage.New("opened", func(context.Context) (stage.Puller[int], error) {
		t.Error("opened")
		return nil, errBang
	})
	ctx := context.Background()
	wrong := pool.SizeOf(func(float64) int { return 0 })
	p := pool.New(1)
	requirePanic(t, func() { pool.Imap(p, opened, identity, wrong) }, "Imap")
	requirePanic(t, func() { _, _ = pool.Map(ctx, p, opened, identity, wrong) }, "Map")
	requirePanic(t, func() { pool.MapAsync(ctx, p, opened, identity, wrong) }, "MapAsync")
	requirePanic(t, func() {
		_, _ = pool.Reduce(ctx, p, opened, func() int { return 0 }, func(context.Context, int, int) (int, error) { return 0, nil },
			func(int, int) (int, error) { return 0, nil }, wrong)
	}, "Reduce")
	pool.Imap(p, opened, identity) // a plan opens nothing
	assert.NoError(t, p.Wait())
}

package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/plan"
)

// world is what the functions of a case share: some of their items fail or
// panic, and a call can end the context of the pull that it is made by.
type world struct {
	cancel context.CancelCauseFunc
	trip   int // calls until the context is ended, 0: never
	calls  int
}

var errGivenUp = errors.New("given up")

// call is made by each function that gets a context, first thing.
func (w *world) call(ctx context.Context, v int) error {
	w.passed()
	if ctx.Err() != nil {
		return fmt.Errorf("call %d: %w", v, ctx.Err())
	}
	return fate(v)
}

// passed is made by the functions without one.
func (w *world) passed() {
	w.calls++
	if w.trip > 0 {
		if w.trip--; w.trip == 0 {
			w.cancel(errGivenUp)
		}
	}
}

// fate is what happens to an item in a function that may fail.
func fate(v int) error {
	if v%7 == 3 {
		return errBad
	}
	mayPanic(v)
	return nil
}

func mayPanic(v int) {
	if v%11 == 5 {
		panic(fmt.Sprint("boom ", v))
	}
}

// fateOf is fate for a model.
func fateOf(v int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r}
		}
	}()
	return fate(v)
}

// panicOf is mayPanic for a model.
func panicOf(v int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r}
		}
	}()
	mayPanic(v)
	return nil
}

// opened is a stream of any type that is being pulled.
type openedCase struct {
	pull  func(context.Context, Limit) (n int, out []string, tokens []Token, err error)
	close func() []*plan.Meter
}

// operator is one operator, or a chain, beside the plain loop that it must equal.
type operator struct {
	name  string
	open  func(t assert.TestingT, w *world, in Stream[int]) openedCase
	model func(events []event) []string
	// keeps: it has a state, so tokens do not wait for what it holds.
	keeps bool
	// unfinished is the model if the input fails, where it differs.
	unfinished func(events []event) []string
}

func opCase[T any](name string, build func(w *world, in Stream[int]) Stream[T], model func([]event) []string) operator {
	return operator{name: name, model: model, open: func(t assert.TestingT, w *world, in Stream[int]) openedCase {
		p, done := watched(t, build(w, in))
		var c Chunk[T]
		return openedCase{close: done, pull: func(ctx context.Context, max Limit) (int, []string, []Token, error) {
			err := p.Pull(ctx, &c, max)
			return len(c.Items), outcome(&c), append([]Token(nil), c.Tokens...), err
		}}
	}}
}

// each makes a model that takes items one by one; errors pass.
func each(take func(out *[]string, index int64, v int) (goOn bool)) func([]event) []string {
	return func(events []event) []string {
		return collectModel(events, take, nil)
	}
}

func collectModel(events []event, take func(*[]string, int64, int) bool, flush func(*[]string)) []string {
	var out []string
	index := int64(0)
	for i, e := range events {
		if e.err != nil {
			out = append(out, failed("script", int64(i), e.err))
			continue
		}
		if !take(&out, index, e.item) {
			return out
		}
		index++
	}
	if flush != nil {
		flush(&out)
	}
	return out
}

// other is the second input of Zip and Concat.
func other() *script {
	s := upTo(40)
	for i := range s.events {
		s.events[i].item += 1000
		if i%9 == 4 {
			s.events[i].err = errBad
		}
	}
	s.part = 1
	s.cuts = []int{3, 0, 5, 1}
	return s
}

func operators() []operator {
	add := func(out *[]string, v any) { *out = append(*out, fmt.Sprint(v)) }
	fail := func(out *[]string, stage string, i int64, err error) { *out = append(*out, failed(stage, i, err)) }
	even := func(w *world) func(int) bool {
		return func(v int) bool {
			w.passed()
			mayPanic(v)
			return v%2 == 0
		}
	}
	small := func(w *world) func(int) bool {
		return func(v int) bool {
			w.passed()
			mayPanic(v)
			return v < 60
		}
	}
	double := func(w *world) func(context.Context, int) (string, error) {
		return func(ctx context.Context, v int) (string, error) {
			return fmt.Sprint(2 * v), w.call(ctx, v)
		}
	}
	return []operator{
		opCase("Map", func(w *world, in Stream[int]) Stream[string] { return Map(in, double(w)) },
			each(func(out *[]string, i int64, v int) bool {
				if err := fateOf(v); err != nil {
					fail(out, "Map", i, err)
				} else {
					add(out, 2*v)
				}
				return true
			})),
		opCase("FilterMap", func(w *world, in Stream[int]) Stream[string] {
			return FilterMap(in, func(ctx context.Context, v int) (string, bool, error) {
				return fmt.Sprint(v), v%3 == 0, w.call(ctx, v)
			})
		}, each(func(out *[]string, i int64, v int) bool {
			if err := fateOf(v); err != nil {
				fail(out, "FilterMap", i, err)
			} else if v%3 == 0 {
				add(out, v)
			}
			return true
		})),
		opCase("FlatMap", func(w *world, in Stream[int]) Stream[string] {
			return FlatMap(in, func(ctx context.Context, v int, emit func(string)) error {
				for i := range v % 6 {
					emit(fmt.Sprint(v, "-", i))
				}
				return w.call(ctx, v)
			})
		}, each(func(out *[]string, i int64, v int) bool {
			if err := fateOf(v); err != nil {
				fail(out, "FlatMap", i, err)
			} else {
				for i := range v % 6 {
					add(out, fmt.Sprint(v, "-", i))
				}
			}
			return true
		})),
		opCase("Scan", func(w *world, in Stream[int]) Stream[int] {
			return Scan(in, 5, func(ctx context.Context, acc, v int) (int, error) { return acc + v, w.call(ctx, v) })
		}, func(events []event) []string {
			acc := 5
			return each(func(out *[]string, i int64, v int) bool {
				if err := fateOf(v); err != nil {
					fail(out, "Scan", i, err)
				} else {
					acc += v
					add(out, acc)
				}
				return true
			})(events)
		}),
		opCase("Enumerate", func(_ *world, in Stream[int]) Stream[Pair[int64, int]] { return Enumerate(in) },
			each(func(out *[]string, i int64, v int) bool {
				add(out, Pair[int64, int]{i, v})
				return true
			})),
		opCase("Filter", func(w *world, in Stream[int]) Stream[int] { return in.Filter(even(w)) },
			each(func(out *[]string, i int64, v int) bool {
				if err := panicOf(v); err != nil {
					fail(out, "Filter", i, err)
				} else if v%2 == 0 {
					add(out, v)
				}
				return true
			})),
		opCase("TakeWhile", func(w *world, in Stream[int]) Stream[int] { return in.TakeWhile(small(w)) },
			each(func(out *[]string, i int64, v int) bool {
				if err := panicOf(v); err != nil {
					fail(out, "TakeWhile", i, err)
				} else if v < 60 {
					add(out, v)
				} else {
					return false
				}
				return true
			})),
		opCase("SkipWhile", func(w *world, in Stream[int]) Stream[int] { return in.SkipWhile(small(w)) },
			func(events []event) []string {
				found := false
				return each(func(out *[]string, i int64, v int) bool {
					if err := panicOf(v); err != nil && !found {
						fail(out, "SkipWhile", i, err)
						return true
					}
					if found = found || v >= 60; found {
						add(out, v)
					}
					return true
				})(events)
			}),
		opCase("Tap", func(w *world, in Stream[int]) Stream[int] {
			return in.Tap(func(v int) { w.passed(); mayPanic(v) })
		}, each(func(out *[]string, i int64, v int) bool {
			if err := panicOf(v); err != nil {
				fail(out, "Tap", i, err)
			} else {
				add(out, v)
			}
			return true
		})),
		opCase("Take", func(_ *world, in Stream[int]) Stream[int] { return in.Take(12) },
			func(events []event) []string {
				n := 0
				return each(func(out *[]string, _ int64, v int) bool {
					add(out, v)
					n++
					return n < 12
				})(events)
			}),
		opCase("Skip", func(_ *world, in Stream[int]) Stream[int] { return in.Skip(12) },
			each(func(out *[]string, i int64, v int) bool {
				if i >= 12 {
					add(out, v)
				}
				return true
			})),
		opCase("Batch", func(_ *world, in Stream[int]) Stream[[]int] { return Batch(in, 4) },
			func(events []event) []string {
				var batch []int
				flush := func(out *[]string) {
					if len(batch) > 0 {
						add(out, batch)
					}
					batch = nil
				}
				return collectModel(events, func(out *[]string, _ int64, v int) bool {
					if batch = append(batch, v); len(batch) == 4 {
						flush(out)
					}
					return true
				}, flush)
			}),
		opCase("Unbatch", func(_ *world, in Stream[int]) Stream[int] {
			return Unbatch(Map(in, Pure(func(v int) []int {
				s := make([]int, v%5)
				for i := range s {
					s[i] = v
				}
				return s
			})))
		}, each(func(out *[]string, _ int64, v int) bool {
			for range v % 5 {
				add(out, v)
			}
			return true
		})),
		opCase("Concat", func(_ *world, in Stream[int]) Stream[int] { return Concat(Stream[int]{}, in, other().stream()) },
			func(events []event) []string {
				model := each(func(out *[]string, _ int64, v int) bool {
					add(out, v)
					return true
				})
				return append(model(events), model(other().events)...)
			}),
		opCase("Zip", func(_ *world, in Stream[int]) Stream[Pair[int, int]] { return Zip(in, other().stream()) },
			func(events []event) []string {
				bs := other().events
				j := 0
				return each(func(out *[]string, _ int64, v int) bool {
					for ; j < len(bs); j++ {
						if bs[j].err == nil {
							add(out, Pair[int, int]{v, bs[j].item})
							j++
							return true
						}
						fail(out, "script", int64(j), bs[j].err)
					}
					return false
				})(events)
			}),
		opCase("chain", func(w *world, in Stream[int]) Stream[[]int] {
			return Batch(Unbatch(Batch(Map(in.Filter(even(w)).Skip(1), func(ctx context.Context, v int) (int, error) {
				return v, w.call(ctx, v)
			}), 2)).Take(9), 3)
		}, func(events []event) []string {
			var pair, batch []int
			filtered, mapped, taken := int64(0), int64(0), 0
			done := false
			var out []string
			flush := func(batch *[]int, whole int) {
				if len(*batch) == whole {
					add(&out, *batch)
					*batch = nil
				}
			}
			unbatch := func() {
				for _, v := range pair {
					if !done {
						batch = append(batch, v)
						taken++
						flush(&batch, 3)
						done = taken == 9
					}
				}
				pair = nil
			}
			for i, e := range events {
				switch {
				case done:
				case e.err != nil:
					fail(&out, "script", int64(i), e.err)
				case panicOf(e.item) != nil:
					fail(&out, "Filter", int64(i)-errorsBefore(events[:i]), panicOf(e.item))
				case e.item%2 == 0:
					if filtered++; filtered == 1 {
						continue
					}
					mapped++
					if err := fateOf(e.item); err != nil {
						fail(&out, "Map", mapped-1, err)
						continue
					}
					if pair = append(pair, e.item); len(pair) == 2 {
						unbatch()
					}
				}
			}
			unbatch()
			if len(batch) > 0 {
				flush(&batch, len(batch))
			}
			return out
		}),
	}
}

func errorsBefore(events []event) (n int64) {
	for _, e := range events {
		if e.err != nil {
			n++
		}
	}
	return n
}

func drawScript(t *rapid.T) *script {
	s := &script{
		eager: rapid.Bool().Draw(t, "eager"),
		late:  rapid.Bool().Draw(t, "late"),
		deaf:  rapid.Bool().Draw(t, "deaf"),
		cuts:  rapid.SliceOfN(rapid.IntRange(0, 9), 0, 5).Draw(t, "cuts"),
	}
	if sum(s.cuts) == 0 {
		s.cuts = nil
	}
	if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
		s.end = errors.New("the source failed")
	}
	for _, v := range rapid.SliceOfN(rapid.IntRange(-20, 100), 0, 60).Draw(t, "events") {
		e := event{item: v}
		if v < 0 {
			e.err = errBad
			if v < -10 {
				e = event{item: -v} // more items than errors
			}
		}
		s.events = append(s.events, e)
	}
	return s
}

func sum(vs []int) (n int) {
	for _, v := range vs {
		n += v
	}
	return n
}

// TestOperatorsEqualThePlainLoop pulls each operator with random limits from a
// source of random chunks, gives pulls up at random, and compares with a loop.
func TestOperatorsEqualThePlainLoop(t *testing.T) {
	for _, op := range slices.Concat(operators(), holdingOperators(), windowOperators()) {
		t.Run(op.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkOperator(t, op) })
		})
	}
}

func checkOperator(t *rapid.T, op operator) {
	s := drawScript(t)
	w := &world{}
	c := op.open(t, w, s.stream())
	want := op.model(s.events)
	stopAfter := rapid.SampledFrom([]int{1 << 30, 0, 1, 2, 3, 5, 8}).Draw(t, "stop after")
	var (
		got    []string
		tokens []Token
		err    error
	)
	for pulls := 0; err == nil && pulls < stopAfter; pulls++ {
		ctx, cancel := context.WithCancelCause(context.Background())
		w.cancel, w.trip = cancel, 0
		switch rapid.IntRange(0, 5).Draw(t, "give up") {
		case 0:
			cancel(errGivenUp)
		case 1:
			w.trip = rapid.IntRange(1, 4).Draw(t, "trip")
		}
		limit := rapid.IntRange(0, 7).Draw(t, "limit")
		n, out, toks, perr := c.pull(ctx, Limit{Items: limit})
		if limit > 0 {
			require.LessOrEqual(t, n, limit, "more items than were asked for")
		}
		got = append(got, out...)
		tokens = append(tokens, toks...)
		for _, tok := range toks {
			if tok.At.Part == 0 && op.name != "Concat" && !op.keeps { // what follows there is not of the range
				due := op.model(s.events[:tok.First+tok.N])
				require.GreaterOrEqual(t, len(got), len(due), "token %v came before what it accounts for", tok)
			}
		}
		if ctx.Err() != nil && errors.Is(perr, errGivenUp) {
			perr = nil
		}
		err = perr
		cancel(nil)
	}
	meters := c.close()
	if err == io.EOF {
		for _, m := range meters {
			checkMeter(t, op, m, got)
		}
	}
	if stopAfter < 1<<30 && err == nil {
		require.LessOrEqual(t, len(got), len(want))
		same(t, want[:len(got)], got)
		return
	}
	if s.end != nil && !errors.Is(err, io.EOF) {
		require.ErrorIs(t, err, s.end)
		if op.unfinished != nil {
			want = op.unfinished(s.events)
		}
		// Concat and Zip stop before, or because of, the other input.
		require.LessOrEqual(t, len(got), len(want))
		if op.name != "Concat" {
			same(t, want, got)
		}
	} else {
		require.Equal(t, io.EOF, err)
		same(t, want, got)
	}
	var ordinals, handed []int64
	for _, tok := range tokens {
		if tok.At.Part == 0 {
			ordinals = appendOrdinals(ordinals, tok)
		}
	}
	for _, tok := range s.mu.tokens {
		handed = appendOrdinals(handed, tok)
	}
	if op.name == "chain" { // Take leaves the other half of a batch, whose token waits for it
		handed = handed[:len(ordinals)]
	}
	require.Equal(t, handed, ordinals, "tokens")
}

// checkMeter checks what an operator counted when the stream ran to its end.
func checkMeter(t *rapid.T, op operator, m *plan.Meter, got []string) {
	if m.Node.Op != "script" { // Zip has two
		own := 0
		for _, s := range got {
			if strings.HasPrefix(s, m.Node.Op+"#") {
				own++
			}
		}
		require.Equal(t, int64(own), m.Failed, "failed: %+v", m)
	}
	switch m.Node.Op {
	case "TakeWhile":
		require.LessOrEqual(t, m.Filtered, int64(1))
		if m.Abandoned > 0 {
			require.Equal(t, int64(1), m.Filtered, "the item that ended it")
		}
	case "Zip", "Unbatch": // the longer side's, or what Take left
		require.True(t, m.Abandoned == 0 || op.name == "Zip" || op.name == "chain")
	default:
		require.Zero(t, m.Abandoned, "%+v", m)
	}
}

func same(t require.TestingT, want, got []string) {
	require.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
}

func appendOrdinals(to []int64, t Token) []int64 {
	for i := range t.N {
		to = append(to, t.First+i)
	}
	return to
}

package source

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// sought opens a stream as a run does that goes on: its source is asked for its
// fingerprint and told where to begin.
func sought[T any](t require.TestingT, s stage.Stream[T], at stage.Position, first int64) (stage.Puller[T], error) {
	ctx := context.Background()
	p, err := s.Open(ctx)
	require.NoError(t, err)
	_, err = resumable(t, p).Fingerprint(ctx)
	if err == nil {
		err = resumable(t, p).Seek(ctx, at, first)
	}
	if err != nil {
		require.NoError(t, p.Close())
	}
	return p, err
}

// resumable is the source that the engine guards.
func resumable[T any](t require.TestingT, guard stage.Puller[T]) stage.Resumable {
	f := reflect.ValueOf(guard).Elem().FieldByName("p")
	r, ok := reflect.TypeAssert[stage.Resumable](reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
	require.True(t, ok)
	return r
}

// printOf is a stream's fingerprint.
func printOf[T any](t require.TestingT, s stage.Stream[T]) string {
	p, err := s.Open(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	got, err := resumable(t, p).Fingerprint(context.Background())
	require.NoError(t, err)
	require.True(t, json.Valid(got))
	return string(got)
}

// resumes checks that from every token of a run on that was cut in one way, the
// stream gives, read in another, what a whole one gives from there on, with the same
// positions. It returns the whole.
func resumes[T any](t require.TestingT, s stage.Stream[T], cut, max stage.Limit) result[T] {
	tokens := read(t, s, cut).tokens
	whole := read(t, s, max)
	items, errs := 0, 0
	for _, tok := range tokens {
		p, err := sought(t, s, tok.At, tok.First)
		require.NoError(t, err)
		got := drained(t, p, tok.First, max)
		require.NoError(t, p.Close())
		at := fmt.Sprintf("from %+v, cut by %+v, read by %+v", tok, cut, max)
		require.Equal(t, shown(whole.items[items:]), shown(got.items), at)
		require.Equal(t, whole.order[items+errs:], got.order, at)
		require.Equal(t, places(whole)[items:], places(got), at)
		require.Equal(t, failures(whole.errs[errs:]), failures(got.errs), at)
		require.Equal(t, fmt.Sprint(whole.err), fmt.Sprint(got.err), at)
		if cut == max && max.Items == 1 {
			require.Equal(t, tok.First, got.tokens[0].First)
			require.Equal(t, tok.N, got.tokens[0].N)
			require.Equal(t, tok.At.Record, got.tokens[0].At.Record)
		}
		part := whole.order[items+errs:][:tok.N]
		items += strings.Count(part, "i")
		errs += strings.Count(part, "e")
	}
	return whole
}

// places are where the items are. The key of a row is that of its chunk.
func places[T any](r result[T]) []string {
	at := slices.Clone(r.places)
	for i := range at {
		if strings.HasPrefix(at[i].Key, "[") {
			at[i].Key = ""
		}
	}
	return shown(at)
}

// shown is a text for each value.
func shown[T any](values []T) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("%+v", v)
	}
	return texts
}

// failures are errors with all that they say.
func failures(errs []*stage.ItemError) []string {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = fmt.Sprintf("%v, input %v, at %+v", e, e.Input, e.At)
	}
	return texts
}

func TestMemoryResumes(t *testing.T) {
	for _, max := range limits() {
		resumes(t, Of("a", "b", "c", "d", "e"), stage.Limit{Items: 1}, max)
		resumes(t, Slice([]struct{ A []int }{{nil}, {[]int{1}}, {nil}}), stage.Limit{Items: 2}, max)
		resumes(t, Range(-3, 4), stage.Limit{Items: 1}, max)
	}
	for _, at := range []int64{-1, 4} {
		_, err := sought(t, Of(1, 2, 3), stage.Position{Record: at}, at)
		require.ErrorContains(t, err, "is no place to go on from")
		_, err = sought(t, Range(0, 3), stage.Position{Record: at}, at)
		require.ErrorContains(t, err, "is no place to go on from")
	}
	_, err := sought(t, Of(1, 2, 3), stage.Position{Record: 1}, 2)
	require.ErrorContains(t, err, "is no place to go on from")
}

func TestMemoryFingerprints(t *testing.T) {
	type id string
	require.Equal(t, printOf(t, Of(1, 2)), printOf(t, Slice([]int{1, 2})))
	require.NotEqual(t, printOf(t, Of(1, 2)), printOf(t, Of(1, 3)))
	require.NotEqual(t, printOf(t, Of(1, 2)), printOf(t, Of(int64(1), int64(2))))
	require.NotEqual(t, printOf(t, Of("ab", "c")), printOf(t, Of("a", "bc")))
	require.NotEqual(t, printOf(t, Of(id("ab"))), printOf(t, Of(id("ac"))))
	require.NotEqual(t, printOf(t, Of(true)), printOf(t, Of(false)))
	require.NotEqual(t, printOf(t, Of(1.5)), printOf(t, Of(2.5)))
	require.NotEqual(t, printOf(t, Of(new(int))), printOf(t, Of(new(int), nil)))
	one := 1
	require.Equal(t, printOf(t, Of(new(int))), printOf(t, Of(&one)), "what is pointed to is not looked at")
	require.NotEqual(t, printOf(t, Range(0, 3)), printOf(t, Range(0, 4)))
	require.NotEqual(t, printOf(t, Slice(make([]byte, 3*hashLot))), printOf(t, Slice(append(make([]byte, 3*hashLot-1), 1))))

	p := open(t, Slice(make([]byte, 3*hashLot)))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	_, err := resumable(t, p).Fingerprint(ctx)
	require.ErrorIs(t, err, errStopped)
}

package stage

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var errOther = errors.New("another error")

// nowhere is a sink that takes what comes.
type nowhere struct{}

func (n nowhere) Open(context.Context, json.RawMessage) (Writer[int], error) { return n, nil }
func (nowhere) Write(context.Context, *Chunk[int]) error                     { return nil }
func (nowhere) Close(context.Context, error) error                           { return nil }

// TestCatchIsTheLoop compares Catch with a loop over single records.
func TestCatchIsTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// 0: an item; 1: an error that is let go; 2: kept; 3: replaced; 4: fn panics
		kinds := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 40).Draw(t, "records")
		causes := []error{nil, errors.New("let go"), errors.New("kept"), errors.New("replaced"), errors.New("panic")}
		src := &script{cuts: rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(t, "cuts")}
		if len(src.cuts) > 0 {
			src.cuts = append(src.cuts, 3) // not only empty chunks
		}
		var want []any
		caught := int64(0)
		for i, k := range kinds {
			src.events = append(src.events, event{item: i, err: causes[k]})
			switch k {
			case 0:
				want = append(want, i)
			case 1:
				caught++
			case 2:
				want = append(want, causes[2])
			case 3:
				want = append(want, errOther)
			case 4:
				want = append(want, causes[4])
			}
		}
		s := src.stream().Catch(func(_ context.Context, e *ItemError) error {
			switch e.Err {
			case causes[1]:
				return nil
			case causes[3]:
				return errOther
			case causes[4]:
				panic(e.Err)
			}
			return e
		})
		var got []any
		for v, err := range s.All(t.Context()) {
			var item *ItemError
			switch {
			case err == nil:
				got = append(got, v)
			case assert.ErrorAs(t, err, &item):
				assert.Equal(t, "script", item.Stage)
				i := len(got)
				require.Less(t, i, len(want))
				assert.ErrorIs(t, item, want[i].(error))
				got = append(got, want[i])
			}
		}
		assert.Equal(t, want, got)

		sum, err := Run(t.Context(), s, nowhere{}, Continue(0))
		require.NoError(t, err)
		assert.Equal(t, caught, sum.Stages[1].Caught)
		assert.Equal(t, int64(len(kinds)), sum.Written+sum.Failed+caught)
	})
}

// bareErrors is an error that cannot be compared.
type bareErrors []string

func (bareErrors) Error() string { return "several" }

func TestCatchDoesNotCompareErrors(t *testing.T) {
	src := &script{events: []event{{err: bareErrors{"a"}}}}
	_, err := src.stream().Catch(func(_ context.Context, e *ItemError) error { return e.Err }).Collect(t.Context())
	var bare bareErrors
	require.ErrorAs(t, err, &bare)
}

func TestCatchPassesTheStreamsFailure(t *testing.T) {
	src := &script{events: []event{{item: 1}}, end: errOther}
	s := src.stream().Catch(func(context.Context, *ItemError) error { return nil })
	items, err := s.Collect(t.Context())
	require.ErrorIs(t, err, errOther)
	assert.Nil(t, items)
}

func TestAnyAndEvery(t *testing.T) {
	boom := errors.New("boom")
	for _, test := range []struct {
		name  string
		items []event
		any   bool
		every bool
		err   error
	}{
		{name: "none", every: true},
		{name: "one that is", items: []event{{item: 1}}, any: true, every: true},
		{name: "one that is not", items: []event{{item: 0}}},
		{name: "both", items: []event{{item: 0}, {item: 1}}, any: true},
		{name: "failed", items: []event{{err: boom}, {item: 0}, {item: 1}}, err: boom},
		{name: "panics", items: []event{{item: 2}}, err: errOther},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := func(_ context.Context, n int) (bool, error) {
				if n == 2 {
					panic(errOther)
				}
				return n == 1, nil
			}
			src := &script{events: test.items}
			found, err := src.stream().Any(t.Context(), is)
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.any, found)
			all, err := src.stream().Every(t.Context(), is)
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.every, all)
			assert.Equal(t, src.mu.opens, src.mu.closes)
		})
	}
}

// TestAnySaysWhatClosingFoundOut: the answer is there, and is not all.
func TestAnySaysWhatClosingFoundOut(t *testing.T) {
	src := &script{events: []event{{item: 1}}, closeErr: errOther}
	found, err := src.stream().Any(t.Context(), func(context.Context, int) (bool, error) { return true, nil })
	require.ErrorIs(t, err, errOther)
	assert.NotErrorIs(t, err, errFound)
	assert.False(t, found)
}

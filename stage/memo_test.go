package stage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMemoEqualsTheFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "n")
		calls := 0
		fn := Memo(func(_ context.Context, v int) (string, error) {
			calls++
			return fmt.Sprint(v), fate(v + 100)
		}, n)
		var recent []int // the last used at the end
		want := 0
		for _, v := range rapid.SliceOfN(rapid.IntRange(0, 20), 0, 60).Draw(t, "arguments") {
			fails := fateOf(v + 100)
			at := -1
			for i, r := range recent {
				if r == v {
					at = i
				}
			}
			switch {
			case at >= 0:
				recent = append(recent[:at], recent[at+1:]...)
				recent = append(recent, v)
			case fails == nil:
				want++
				if recent = append(recent, v); len(recent) > n {
					recent = recent[1:]
				}
			default:
				want++
			}
			if _, panics := errors.AsType[*PanicError](fails); panics {
				assert.Panics(t, func() { _, _ = fn(context.Background(), v) })
				continue
			}
			got, err := fn(context.Background(), v)
			require.ErrorIs(t, err, fails)
			if err == nil {
				require.Equal(t, fmt.Sprint(v), got)
			}
		}
		require.Equal(t, want, calls)
	})
}

func TestMemoCallsOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, outcome := range []error{nil, errBad} {
			var calls atomic.Int64
			release := make(chan struct{})
			fn := Memo(func(_ context.Context, v int) (int, error) {
				calls.Add(1)
				<-release
				return 2 * v, outcome
			}, 4)
			var group sync.WaitGroup
			for range 5 {
				group.Go(func() {
					got, err := fn(t.Context(), 21)
					assert.Equal(t, 42, got)
					assert.ErrorIs(t, err, outcome)
				})
			}
			synctest.Wait()
			close(release)
			group.Wait()
			assert.Equal(t, int64(1), calls.Load())
		}
	})
}

// One who waits does not suffer from the end of another's context, nor from its panic,
// and gives up with its own.
func TestMemoOutlivesWhoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, panics := range []bool{false, true} {
			first := true
			fn := Memo(func(ctx context.Context, v int) (int, error) {
				if first {
					first = false
					<-ctx.Done()
					if panics {
						panic("boom")
					}
					return 0, ctx.Err()
				}
				return 2 * v, nil
			}, 4)
			leader, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			group.Go(func() {
				defer func() { assert.Equal(t, panics, recover() != nil) }()
				_, err := fn(leader, 21)
				assert.ErrorIs(t, err, context.Canceled)
			})
			synctest.Wait()
			group.Go(func() {
				got, err := fn(t.Context(), 21)
				assert.NoError(t, err)
				assert.Equal(t, 42, got)
			})
			_, err := fn(ended(errGivenUp), 21)
			require.ErrorIs(t, err, errGivenUp)
			synctest.Wait()
			cancel()
			group.Wait()
		}
	})
}

func TestArgumentsOfMemo(t *testing.T) {
	requirePanics(t, "penstock: stage.Memo: fn is nil", func() { Memo[int, int](nil, 1) })
	requirePanics(t, "penstock: stage.Memo: n is 0, want 1 or more", func() { Memo(Pure(func(v int) int { return v }), 0) })
}

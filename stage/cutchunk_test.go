package stage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var errState = errors.New("no state")

// A pool that ends in the middle of a chunk hands on what it has made of it. What is
// missing is not done: the next run makes it, and nothing comes twice.
func TestAPoolThatEndsInAChunkGoesOn(t *testing.T) {
	const n, chunk = 16, 5
	ends := map[string]func(p *pool.Pool, in stage.Stream[int64], at int64, opts ...pool.Option) stage.Stream[int64]{
		"terminated": func(p *pool.Pool, in stage.Stream[int64], at int64, opts ...pool.Option) stage.Stream[int64] {
			return pool.Imap(p, in, func(ctx context.Context, v int64) (int64, error) {
				if v != at {
					return v, nil
				}
				p.Terminate()
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}, opts...)
		},
		"without a state": func(p *pool.Pool, in stage.Stream[int64], at int64, opts ...pool.Option) stage.Stream[int64] {
			made := int64(0)
			state := func(context.Context) (int64, error) {
				if made++; made == at+2 {
					return 0, errState
				}
				return 0, nil
			}
			return pool.ImapWith(p, in, state, func(_ context.Context, _, v int64) (int64, error) { return v, nil },
				append(opts, pool.RecycleAfter(1))...)
		},
	}
	for name, end := range ends {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unordered=%t", name, unordered), func(t *testing.T) {
				opts := []pool.Option{pool.ChunkSize(chunk)}
				if unordered {
					opts = append(opts, pool.Unordered())
				}
				for at := range int64(n - 1) {
					var store memoryStore
					var to ledger
					var sought []int64
					run := func(at int64) error {
						p := pool.New(1)
						defer p.Close()
						s := end(p, numbersTo(n, 50, &sought), at, opts...)
						_, err := stage.Run(t.Context(), s, to.sink(crashing(0)), stage.Checkpoint(&store, 1))
						return err
					}
					err := run(at)
					require.Error(t, err)
					if !errors.Is(err, pool.ErrTerminated) {
						require.ErrorIs(t, err, errState)
					}
					require.NoError(t, run(n+100))
					require.Len(t, to.published, n, "ended at %d", at)
					for i, v := range to.published {
						require.EqualValues(t, i, v, "ended at %d", at)
					}
				}
			})
		}
	}
}

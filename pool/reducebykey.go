package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// ErrTooManyKeys is what ReduceByKey fails with when it meets more keys than
// MaxKeys allows.
var ErrTooManyKeys = errors.New("too many keys")

// ReduceByKey folds the items of each key, in the workers of p, and returns the
// accumulators by key: what a GROUP BY does. Each worker folds what it pulls into
// accumulators of its own, one a key, so that items never leave the worker, and at
// the end those of a key are merged, in any order: fold.Merge must be associative
// and commutative. The result of an empty stream is an empty map.
//
// Memory: an accumulator for each key in each worker that met it; MaxKeys bounds
// their number, in each worker and in the result, and by default nothing does. A
// key that is a view of a block keeps the whole block: let key clone it.
//
// ReduceByKey is eager and fails fast with the *stage.ItemError of lowest index,
// as Map does, when fold.Add fails or key panics; with an error the map is nil.
// An error of fold.Merge comes with its key. A key that does not equal itself,
// such as NaN, is a key of its own each time. The verb keeps no state beyond its
// call, and no checkpoint. It panics if key or a function of fold is nil or an
// option does not fit.
func ReduceByKey[K comparable, A, Acc any](
	ctx context.Context, p *Pool, in stage.Stream[A], key func(A) K, fold stage.Fold[A, Acc], opts ...Option,
) (map[K]Acc, error) {
	mustFunc(key == nil, "ReduceByKey", "key")
	fold.Check("pool.ReduceByKey")
	p = p.or()
	cfg := p.eager(opts, "ReduceByKey")
	newAccs := func() map[K]Acc { return map[K]Acc{} }
	step := func(_ context.Context, accs map[K]Acc, item A) (map[K]Acc, error) {
		k := key(item)
		acc, met := accs[k]
		if !met {
			if cfg.keys > 0 && len(accs) >= cfg.keys {
				return accs, tooMany(cfg.keys, k)
			}
			acc = fold.New()
		}
		acc, err := fold.Add(acc, item)
		if err != nil {
			return accs, err // nobody will ask for accs
		}
		accs[k] = acc
		return accs, nil
	}
	merge := func(accs, more map[K]Acc) (map[K]Acc, error) {
		if len(accs) < len(more) {
			accs, more = more, accs
		}
		for k, acc := range more {
			if first, met := accs[k]; met {
				merged, err := fold.Merge(first, acc)
				if err != nil {
					return nil, fmt.Errorf("ReduceByKey: key %v: merge: %w", k, err)
				}
				acc = merged
			} else if cfg.keys > 0 && len(accs) >= cfg.keys {
				return nil, fmt.Errorf("ReduceByKey: %w", tooMany(cfg.keys, k))
			}
			accs[k] = acc
		}
		return accs, nil
	}
	kernels := func(keep func(map[K]Acc)) func() kernel[A, struct{}] {
		return func() kernel[A, struct{}] {
			k := newFolding(newAccs, step, keep)
			k.lets = false // keys may be views of the block
			return k
		}
	}
	return reduce(ctx, p, in, "ReduceByKey", cfg, kernels, newAccs, merge)
}

// tooMany is the error at a key that is one more than allowed.
func tooMany[K any](limit int, key K) error {
	return fmt.Errorf("key %v: %w: more than MaxKeys(%d)", key, ErrTooManyKeys, limit)
}

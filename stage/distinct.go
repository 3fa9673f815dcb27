package stage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bits-and-blooms/bloom/v3"
)

// Distinct is the stream of the items that are no repetition of an earlier one: of
// equal items the first passes. It remembers up to n of them, beyond the in-flight
// budget; at the first item that would be one more the stream fails, unless
// ForgetOldest is given. Order is kept. The items that it remembers are saved with a
// checkpoint, as JSON, which must tell them apart. Distinct panics if n is less than 1
// or an option is nil.
func Distinct[T comparable](in Stream[T], n int, opts ...DistinctOption) Stream[T] {
	notBelow(1, n, "stage.Distinct: n")
	return distinctOf("Distinct", in, n, func(v T) T { return v }, opts)
}

// DistinctBy is Distinct for items that are the same when their keys are: it remembers
// up to n keys. A key that does not equal itself, such as NaN, is another each time, and
// not remembered. An item whose key panics becomes an *ItemError. DistinctBy panics if n
// is less than 1, or key or an option is nil.
func DistinctBy[T any, K comparable](in Stream[T], n int, key func(T) K, opts ...DistinctOption) Stream[T] {
	notBelow(1, n, "stage.DistinctBy: n")
	notNil(key == nil, "stage.DistinctBy: key")
	return distinctOf("DistinctBy", in, n, key, opts)
}

// DistinctOption is a setting of Distinct and DistinctBy. The interface is sealed.
type DistinctOption interface{ applyDistinct(*distinctConfig) }

type distinctConfig struct{ forget bool }

type distinctOption func(*distinctConfig)

func (o distinctOption) applyDistinct(c *distinctConfig) { o(c) }

// ForgetOldest makes Distinct forget the key that it has known for longest when it
// knows n and another one comes, so that it never fails: an item passes again when n
// other keys came after it.
func ForgetOldest() DistinctOption {
	return distinctOption(func(c *distinctConfig) { c.forget = true })
}

func distinctOf[T any, K comparable](op string, in Stream[T], n int, key func(T) K, opts []DistinctOption) Stream[T] {
	var cfg distinctConfig
	for _, o := range opts {
		notNil(o == nil, "stage."+op+": option")
		o.applyDistinct(&cfg)
	}
	detail := fmt.Sprintf("of %d keys", n)
	if cfg.forget {
		detail += ", the oldest forgotten"
	}
	return keeping(op, detail, in, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		k := &distinct[T, K]{key: key, most: n, forget: cfg.forget, seen: map[K]struct{}{}}
		return newLoop(up, k, 0), nil
	})
}

type distinct[T any, K comparable] struct {
	key    func(T) K
	most   int
	forget bool
	seen   map[K]struct{}
	ring   []K // the keys in the order in which they came, if the oldest are forgotten
	oldest int // where the ring begins, once it is full
}

func (k *distinct[T, K]) run(_ context.Context, items, out []T, c *cursor) error {
	i, n := c.in, c.out
	for i < len(items) && n < len(out) {
		c.in, c.out = i, n
		key := k.key(items[i])
		if _, again := k.seen[key]; !again {
			if err := k.remember(key); err != nil {
				return err
			}
			out[n] = items[i]
			n++
		}
		i++
	}
	c.in, c.out = i, n
	return nil
}

func (k *distinct[T, K]) remember(key K) error {
	if !itself(key) {
		return nil
	}
	if len(k.seen) < k.most {
		k.seen[key] = struct{}{}
		if k.forget {
			k.ring = append(k.ring, key)
		}
		return nil
	}
	if !k.forget {
		return fatal{fmt.Errorf("more than %d different keys (see ForgetOldest)", k.most)}
	}
	delete(k.seen, k.ring[k.oldest])
	k.seen[key] = struct{}{}
	k.ring[k.oldest] = key
	k.oldest = (k.oldest + 1) % k.most
	return nil
}

// distinctState is what a checkpoint holds of Distinct.
type distinctState[K any] struct {
	Keys []K `json:"keys"` // the oldest first, if that matters
}

// SaveState implements Stateful: the keys.
func (k *distinct[T, K]) SaveState() (json.RawMessage, error) {
	s := distinctState[K]{Keys: make([]K, 0, len(k.seen))}
	if k.forget {
		s.Keys = append(append(s.Keys, k.ring[k.oldest:]...), k.ring[:k.oldest]...)
	} else {
		for key := range k.seen {
			s.Keys = append(s.Keys, key)
		}
	}
	return json.Marshal(s)
}

// RestoreState implements Stateful.
func (k *distinct[T, K]) RestoreState(state json.RawMessage) error {
	var s distinctState[K]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	for _, key := range s.Keys {
		k.seen[key] = struct{}{}
	}
	if len(k.seen) != len(s.Keys) || len(s.Keys) > k.most {
		return fmt.Errorf("%d keys are %d different ones of at most %d: JSON does not tell them apart", len(s.Keys), len(k.seen), k.most)
	}
	if k.forget {
		k.ring = s.Keys
	}
	return nil
}

// DistinctApprox is Distinct in little memory, approximately: a Bloom filter (of
// github.com/bits-and-blooms/bloom) remembers the keys, about 1.2 bytes for each of n
// at a rate of 0.01. No repetition passes, but a share of the items that are none is
// dropped as if they were: at most rate, while no more than n keys came. At the first
// key that would be one more the stream fails.
//
// key appends to dst what makes an item the same as another, and returns it, as
// append does; dst is empty. An item for which it panics becomes an *ItemError. Order is
// kept. The filter is saved with a checkpoint. DistinctApprox panics if n is less than
// 1, rate is not between 0 and 1, or key is nil.
func DistinctApprox[T any](in Stream[T], n int, rate float64, key func(dst []byte, v T) []byte) Stream[T] {
	notBelow(1, n, "stage.DistinctApprox: n")
	if !(rate > 0 && rate < 1) {
		panic(fmt.Sprintf("penstock: stage.DistinctApprox: rate is %v, want more than 0 and less than 1", rate))
	}
	notNil(key == nil, "stage.DistinctApprox: key")
	detail := fmt.Sprintf("of %d keys, %g false", n, rate)
	return keeping("DistinctApprox", detail, in, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		k := &approx[T]{key: key, most: n, filter: bloom.NewWithEstimates(uint(n), rate)}
		return newLoop(up, k, 0), nil
	})
}

type approx[T any] struct {
	key    func([]byte, T) []byte
	most   int
	count  int // keys in the filter
	filter *bloom.BloomFilter
	buf    []byte
}

func (k *approx[T]) run(_ context.Context, items, out []T, c *cursor) error {
	i, n := c.in, c.out
	for i < len(items) && n < len(out) {
		c.in, c.out = i, n
		k.buf = k.key(k.buf[:0], items[i])
		switch {
		case k.count < k.most:
			if !k.filter.TestOrAdd(k.buf) {
				k.count++
				out[n] = items[i]
				n++
			}
		case !k.filter.Test(k.buf):
			return fatal{fmt.Errorf("more than %d different keys", k.most)}
		}
		i++
	}
	c.in, c.out = i, n
	return nil
}

// approxState is what a checkpoint holds of DistinctApprox.
type approxState struct {
	Count  int                `json:"count"`
	Filter *bloom.BloomFilter `json:"filter"`
}

// SaveState implements Stateful: the filter.
func (k *approx[T]) SaveState() (json.RawMessage, error) {
	return json.Marshal(approxState{k.count, k.filter})
}

// RestoreState implements Stateful.
func (k *approx[T]) RestoreState(state json.RawMessage) error {
	s := approxState{Filter: &bloom.BloomFilter{}}
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	if s.Filter.Cap() != k.filter.Cap() || s.Filter.K() != k.filter.K() {
		return fmt.Errorf("a filter of %d bits and %d hashes, want %d and %d", s.Filter.Cap(), s.Filter.K(), k.filter.Cap(), k.filter.K())
	}
	k.count, k.filter = s.Count, s.Filter
	return nil
}

package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/penstock-go/penstock/internal/plan"
)

// Sample is a random sample of k items, each set of k as likely as any other; all of
// them if there are no more. They come at the end of the stream, in the order in which
// they came in. The same items and seed make the same sample, whatever the chunks. It is
// Algorithm L of Kim-Hung Li (1994), which throws dice only for the few items that enter
// the sample.
//
// Up to k items are held beyond the in-flight budget; they are saved with a checkpoint,
// as JSON. A failed item passes at once and is not in the sample. If the input fails,
// or the run is told to stop, no sample comes, since it would be one of a part. Sample
// panics if k is less than 1.
func (s Stream[T]) Sample(k int, seed uint64) Stream[T] {
	notBelow(1, k, "stage.Sample: k")
	detail := fmt.Sprintf("of %d, seed %d", k, seed)
	return keeping("Sample", detail, s, func(_ context.Context, up upstream[T]) (Puller[T], error) {
		dice := rand.NewPCG(seed, 0)
		random := rand.New(dice) //nolint:gosec // a sample is to be repeatable, not secret
		return newLoop(up, &sampling[T]{k: k, dice: dice, rand: random, m: up.m}, counts|retains), nil
	})
}

// sampled is an item of the sample.
type sampled[T any] struct {
	Index int64 `json:"index"`
	Item  T     `json:"item"`
}

type sampling[T any] struct {
	k    int
	dice *rand.PCG
	rand *rand.Rand
	m    *plan.Meter

	held   []sampled[T]
	count  int64   // items so far
	next   int64   // the number of the next item that enters the sample, once it is full
	w      float64 // the largest of the k random numbers that stand for the sample
	sorted bool    // the sample is being handed on
}

func (k *sampling[T]) run(_ context.Context, items, _ []T, c *cursor) error {
	for c.in < len(items) {
		if len(k.held) < k.k {
			k.held = append(k.held, sampled[T]{k.count, items[c.in]})
			k.count++
			c.in++
			if len(k.held) == k.k {
				k.w = 1
				k.leap()
			}
			continue
		}
		k.m.Filtered += min(int64(len(items)-c.in), k.next-k.count)
		if left := int64(len(items) - c.in); k.next-k.count >= left {
			k.count += left
			c.in = len(items)
			return nil
		}
		c.in += int(k.next - k.count)
		k.held[k.rand.IntN(k.k)] = sampled[T]{k.next, items[c.in]}
		k.m.Filtered++ // the one that it takes the place of
		k.count = k.next + 1
		c.in++
		k.leap()
	}
	return nil
}

// leap finds the next item that enters the sample.
func (k *sampling[T]) leap() {
	k.w *= math.Exp(math.Log(k.chance()) / float64(k.k))
	skip := math.Floor(math.Log(k.chance()) / math.Log1p(-k.w))
	if !(skip < 1<<62) { // also if w has become 0
		skip = 1 << 62
	}
	k.next = k.count + int64(skip)
}

// chance is a random number above 0 and at most 1.
func (k *sampling[T]) chance() float64 { return 1 - k.rand.Float64() }

// release implements holding.
func (k *sampling[T]) release(end error, out []T, c *cursor) bool {
	if end != io.EOF {
		return true
	}
	if !k.sorted {
		slices.SortFunc(k.held, func(a, b sampled[T]) int { return cmp.Compare(a.Index, b.Index) })
		k.sorted = true
	}
	n := min(len(out)-c.out, len(k.held))
	for i, s := range k.held[:n] {
		out[c.out+i] = s.Item
	}
	c.out += n
	clear(k.held[:n])
	k.held = k.held[n:]
	return len(k.held) == 0
}

// sampleState is what a checkpoint holds of Sample.
type sampleState[T any] struct {
	Sample []sampled[T] `json:"sample"`
	Count  int64        `json:"count"`
	Next   int64        `json:"next"`
	W      float64      `json:"w"`
	Dice   []byte       `json:"dice"`
}

// SaveState implements Stateful: the sample, and the dice.
func (k *sampling[T]) SaveState() (json.RawMessage, error) {
	dice, err := k.dice.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(sampleState[T]{k.held, k.count, k.next, k.w, dice})
}

// RestoreState implements Stateful.
func (k *sampling[T]) RestoreState(state json.RawMessage) error {
	var s sampleState[T]
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	if len(s.Sample) > k.k {
		return fmt.Errorf("a sample of %d, want %d at most", len(s.Sample), k.k)
	}
	k.held, k.count, k.next, k.w = s.Sample, s.Count, s.Next, s.W
	k.m.Expanded += int64(len(k.held)) // they did not come in this run
	return k.dice.UnmarshalBinary(s.Dice)
}

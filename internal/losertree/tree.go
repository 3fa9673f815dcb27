// Package losertree merges sorted sequences with a tree of losers (Knuth, The Art
// of Computer Programming, volume 3, section 5.4.1): one comparison a level for
// each item, about log2(k) for k sequences.
package losertree

// Tree holds the first item of each of k sequences and knows which is least. Equal
// items come in the order of their sequences. It is not safe for concurrent use.
type Tree[T any] struct {
	cmp   func(a, b T) int
	heads []T
	live  []bool
	nodes []int // nodes[0] is the winner, the others are who lost there
}

// New makes a tree of k sequences, all of which are at their end.
func New[T any](k int, cmp func(a, b T) int) *Tree[T] {
	return &Tree[T]{cmp: cmp, heads: make([]T, k), live: make([]bool, k), nodes: make([]int, max(k, 1))}
}

// Set gives a sequence its first item, before Init.
func (t *Tree[T]) Set(i int, v T) { t.heads[i], t.live[i] = v, true }

// Init finds the least of what was Set.
func (t *Tree[T]) Init() {
	k := len(t.heads)
	if k == 0 {
		return
	}
	winners := make([]int, 2*k)
	for i := range k {
		winners[k+i] = i
	}
	for n := k - 1; n > 0; n-- {
		a, b := winners[2*n], winners[2*n+1]
		if t.beats(b, a) {
			a, b = b, a
		}
		winners[n], t.nodes[n] = a, b
	}
	if k == 1 {
		winners[1] = 0
	}
	t.nodes[0] = winners[1]
}

// Winner is the sequence with the least item; ok is false when all have ended.
func (t *Tree[T]) Winner() (i int, ok bool) {
	if len(t.heads) == 0 {
		return 0, false
	}
	w := t.nodes[0]
	return w, t.live[w]
}

// Head is the item of the winner.
func (t *Tree[T]) Head() T { return t.heads[t.nodes[0]] }

// Replace gives the winner its next item.
func (t *Tree[T]) Replace(v T) {
	t.heads[t.nodes[0]] = v
	t.replay()
}

// End says that the winner has no more items.
func (t *Tree[T]) End() {
	var none T
	w := t.nodes[0]
	t.heads[w], t.live[w] = none, false
	t.replay()
}

// replay lets the winner's next item play against those that lost to its last.
func (t *Tree[T]) replay() {
	w := t.nodes[0]
	for n := (w + len(t.heads)) / 2; n > 0; n /= 2 {
		if t.beats(t.nodes[n], w) {
			w, t.nodes[n] = t.nodes[n], w
		}
	}
	t.nodes[0] = w
}

func (t *Tree[T]) beats(a, b int) bool {
	if !t.live[a] || !t.live[b] {
		return t.live[a]
	}
	c := t.cmp(t.heads[a], t.heads[b])
	return c < 0 || c == 0 && a < b
}

package backpressure

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is what a Gate is meant to be: numbers and a queue.
type model struct {
	limit, used, peak Cost
	line              []*ticket
}

// ticket is a reservation, in the gate and in the model.
type ticket struct {
	r        Reservation
	cost     Cost
	queued   bool
	admitted bool // and not received
}

func plus(a, b Cost) Cost {
	return Cost{Chunks: a.Chunks + b.Chunks, Items: a.Items + b.Items, Bytes: a.Bytes + b.Bytes}
}

func minus(a, b Cost) Cost {
	return Cost{Chunks: a.Chunks - b.Chunks, Items: a.Items - b.Items, Bytes: a.Bytes - b.Bytes}
}

// within reports whether c keeps to the limit.
func within(c, limit Cost) bool {
	return (limit.Chunks == 0 || c.Chunks <= limit.Chunks) &&
		(limit.Items == 0 || c.Items <= limit.Items) &&
		(limit.Bytes == 0 || c.Bytes <= limit.Bytes)
}

// countable reports whether c can be counted beside what is in use.
func (m *model) countable(c Cost) bool { return m.used.Bytes <= math.MaxInt64-c.Bytes }

func (m *model) take(c Cost) bool {
	if m.used != (Cost{}) && (!m.countable(c) || !within(plus(m.used, c), m.limit)) {
		return false
	}
	m.add(c)
	return true
}

func (m *model) add(c Cost) {
	m.used = plus(m.used, c)
	m.peak = Cost{
		Chunks: max(m.peak.Chunks, m.used.Chunks), Items: max(m.peak.Items, m.used.Items), Bytes: max(m.peak.Bytes, m.used.Bytes),
	}
}

func (m *model) acquire(c Cost) bool { return len(m.line) == 0 && m.take(c) }

func (m *model) serve() {
	for len(m.line) > 0 && m.take(m.line[0].cost) {
		m.line[0].queued, m.line[0].admitted = false, true
		m.line = m.line[1:]
	}
}

func (m *model) release(c Cost) {
	m.used = minus(m.used, c)
	m.serve()
}

func (m *model) cancel(k *ticket) {
	switch {
	case k.queued:
		m.line = slices.DeleteFunc(m.line, func(o *ticket) bool { return o == k })
		m.serve()
	case k.admitted:
		m.release(k.cost)
	}
	k.queued, k.admitted = false, false
}

func drawCost(t *rapid.T, label string, chunks, items int, bytes int64) Cost {
	return Cost{
		Chunks: rapid.IntRange(0, chunks).Draw(t, label+" chunks"),
		Items:  rapid.IntRange(0, items).Draw(t, label+" items"),
		Bytes:  rapid.Int64Range(0, bytes).Draw(t, label+" bytes"),
	}
}

// likeModel runs random calls on a gate and on the model and compares them after
// each.
func likeModel(t *rapid.T) {
	m := &model{limit: drawCost(t, "limit", 4, 12, 30)}
	g := New(m.limit)
	tickets := make([]*ticket, 6)
	for i := range tickets {
		tickets[i] = new(ticket)
	}
	var held []Cost // what may be released
	// An action that makes no sense now does nothing: a fuzzer's choices may be
	// nothing but such.
	cost := func(t *rapid.T) Cost {
		if rapid.IntRange(0, 19).Draw(t, "huge") == 0 {
			return Cost{Bytes: math.MaxInt64 >> 1}
		}
		return drawCost(t, "cost", 3, 8, 20)
	}
	pick := func(t *rapid.T, which func(*ticket) bool) *ticket {
		var some []*ticket
		for _, k := range tickets {
			if which(k) {
				some = append(some, k)
			}
		}
		if len(some) == 0 {
			return nil
		}
		return rapid.SampledFrom(some).Draw(t, "reservation")
	}
	t.Repeat(map[string]func(*rapid.T){
		"try": func(t *rapid.T) {
			c := cost(t)
			got := g.TryAcquire(c)
			require.Equal(t, m.acquire(c), got)
			if got {
				held = append(held, c)
			}
		},
		"reserve": func(t *rapid.T) {
			k := pick(t, func(k *ticket) bool { return !k.queued && !k.admitted })
			if k == nil {
				return
			}
			k.cost = cost(t)
			got := g.Reserve(&k.r, k.cost)
			require.Equal(t, m.acquire(k.cost), got)
			if got {
				held = append(held, k.cost)
			} else {
				k.queued = true
				m.line = append(m.line, k)
			}
		},
		"receive": func(t *rapid.T) {
			k := pick(t, func(k *ticket) bool { return k.admitted })
			if k == nil {
				return
			}
			<-k.r.Ready()
			k.admitted = false
			held = append(held, k.cost)
		},
		"cancel": func(t *rapid.T) {
			k := pick(t, func(*ticket) bool { return true })
			g.Cancel(&k.r)
			m.cancel(k)
		},
		"release": func(t *rapid.T) {
			if len(held) == 0 {
				return
			}
			i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
			c := held[i]
			if rapid.Bool().Draw(t, "a part") {
				c = drawCost(t, "part", c.Chunks, c.Items, c.Bytes)
			}
			held[i] = minus(held[i], c)
			if held[i] == (Cost{}) {
				held = slices.Delete(held, i, i+1)
			}
			g.Release(c)
			m.release(c)
		},
		"release too much": func(t *rapid.T) {
			more := drawCost(t, "more", 1, 1, 1)
			if !m.countable(more) {
				return
			}
			c := plus(m.used, more)
			if c == m.used {
				return
			}
			require.Panics(t, func() { g.Release(c) })
		},
		"add": func(t *rapid.T) {
			c := cost(t)
			if !m.countable(c) {
				require.Panics(t, func() { g.Add(c) })
				return
			}
			g.Add(c)
			m.add(c)
			held = append(held, c)
		},
		"limit": func(t *rapid.T) {
			m.limit = drawCost(t, "limit", 6, 16, 40)
			g.SetLimit(m.limit)
			m.serve()
		},
		"": func(t *rapid.T) {
			for i, k := range tickets {
				require.Equal(t, k.admitted, admitted(&k.r), "reservation %d", i)
				require.Equal(t, k.queued, k.r.queued, "reservation %d", i)
			}
			s := g.Stats()
			require.Equal(t, Stats{InUse: m.used, Peak: m.peak, Waiters: len(m.line), Waited: s.Waited}, s)
			require.Equal(t, m.limit.Bytes > 0 && m.used.Bytes > m.limit.Bytes, g.InDebt())
			require.Equal(t, len(m.line) > 0, g.state.Load()&inLine != 0)
		},
	})
	for _, k := range tickets {
		g.Cancel(&k.r)
		m.cancel(k)
	}
	for _, c := range held {
		g.Release(c)
	}
	require.Zero(t, g.Stats().InUse, "nothing was lost")
	require.True(t, g.TryAcquire(m.limit), "nobody is in the way")
}

func TestGateIsLikeItsModel(t *testing.T) { rapid.Check(t, likeModel) }

// FuzzGate is TestGateIsLikeItsModel with the fuzzer's choices.
func FuzzGate(f *testing.F) {
	for i := range byte(8) {
		seed := make([]byte, 512)
		for j := range seed {
			seed[j] = byte(j)*(2*i+1) ^ i
		}
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(likeModel))
}

package parquet

import (
	"context"
	"sync"
	"sync/atomic"
)

// group is a row group that is being read. The workers that fill chunks of its
// rows share its decoded pages: a page is decoded once, by the first that needs
// it, and let go when all of its rows that are wanted were taken.
type group struct {
	index   int
	first   int64 // rows of the file before it
	rows    int64
	spans   []span // of its rows that are wanted
	columns []*shared
	readers readers      // where the library decodes
	left    atomic.Int64 // rows that are wanted and were not taken
}

// shared are the pages of one column of a row group.
type shared struct {
	*chunk
	name string

	mu     sync.Mutex // held for moments only
	layout *once[layout]
	dict   *once[*values]
	pages  map[int]*once[*page]
	left   map[int]int64 // rows of pages that are still to be taken
}

// once is a value that one goroutine makes and others wait for.
type once[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// share returns what is at *p, to wait for, or begins it: then it is the caller's
// to make.
func share[V any](p **once[V]) (o *once[V], mine bool) {
	if *p == nil {
		*p = &once[V]{done: make(chan struct{})}
		return *p, true
	}
	return *p, false
}

// make makes the value, also when that panics.
func (o *once[V]) make(f func() (V, error)) {
	defer close(o.done)
	o.err = safely(func() (err error) {
		o.value, err = f()
		return err
	})
}

// wait waits for the value.
func (o *once[V]) wait(ctx context.Context) (V, error) {
	select {
	case <-o.done:
		return o.value, o.err
	default:
	}
	select {
	case <-o.done:
		return o.value, o.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

// where are the column's pages.
func (s *shared) where(ctx context.Context) (layout, error) {
	s.mu.Lock()
	o, mine := share(&s.layout)
	s.mu.Unlock()
	if mine {
		o.make(s.locate)
	}
	return o.wait(ctx)
}

// start begins with a page, unless somebody has. It returns the page to wait for.
func (s *shared) start(l *layout, i int, spans []span) *once[*page] {
	p := &l.pages[i]
	s.mu.Lock()
	slot := s.pages[i]
	o, mine := share(&slot)
	if mine {
		s.pages[i] = o
		if _, begun := s.left[i]; !begun {
			s.left[i] = overlaps(spans, span{p.first, p.first + p.rows})
		}
	}
	s.mu.Unlock()
	if mine {
		o.make(func() (*page, error) {
			var dict *values
			if l.dict != nil {
				var err error
				if dict, err = s.words(l.dict); err != nil {
					return nil, err
				}
			}
			return s.decode(p, dict)
		})
	}
	return o
}

// words are the column's dictionary.
func (s *shared) words(p *place) (*values, error) {
	s.mu.Lock()
	o, mine := share(&s.dict)
	s.mu.Unlock()
	if mine {
		o.make(func() (*values, error) { return s.dictionary(p) })
	}
	<-o.done // whoever makes it waits for nothing: what others share must not fail because one was cancelled
	return o.value, o.err
}

// taken lets go of the pages of which all rows were taken, now that those of one
// more span were.
func (s *shared) taken(l *layout, e span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := pageAt(l, e.from); i < len(l.pages) && l.pages[i].first < e.to; i++ {
		p := &l.pages[i]
		s.left[i] -= overlaps([]span{{p.first, p.first + p.rows}}, e)
		if s.left[i] <= 0 {
			delete(s.pages, i)
			delete(s.left, i)
		}
	}
}

// overlaps is how many rows of spans are in e.
func overlaps(spans []span, e span) (n int64) {
	for _, s := range spans {
		n += max(0, min(s.to, e.to)-max(s.from, e.from))
	}
	return n
}

// pageAt is the page that holds a row.
func pageAt(l *layout, row int64) int {
	low, high := 0, len(l.pages)
	for low < high {
		if mid := (low + high) / 2; l.pages[mid].first+l.pages[mid].rows <= row {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// piece are rows of a page.
type piece struct {
	page *page
	from int
	n    int
	at   int // the first one's row in the chunk
}

// needs is what a chunk needs of one column.
type needs struct {
	layout layout
	first  int // its first page
	slots  []*once[*page]
}

// columnPieces are the decoded rows e of every column. Each page is made by
// whoever comes first. A worker makes what nobody has begun before it waits for
// others, and rather than wait begins with the page behind.
func (g *group) columnPieces(ctx context.Context, e span) ([][]piece, error) {
	all := make([]needs, len(g.columns))
	for c, s := range g.columns {
		l, err := s.where(ctx)
		if err != nil {
			return nil, &columnError{s.name, err}
		}
		n := &all[c]
		n.layout, n.first = l, pageAt(&l, e.from)
		for i := n.first; i < len(l.pages) && l.pages[i].first < e.to; i++ {
			n.slots = append(n.slots, s.start(&n.layout, i, g.spans))
		}
	}
	pieces := make([][]piece, len(g.columns))
	for c, s := range g.columns {
		n := &all[c]
		for k, slot := range n.slots {
			if next := n.first + len(n.slots); !slot.ready() && next < len(n.layout.pages) && g.wants(&n.layout, next) {
				s.start(&n.layout, next, g.spans)
			}
			p, err := slot.wait(ctx)
			if err != nil {
				return nil, &columnError{s.name, err}
			}
			from, to := max(e.from, p.first), min(e.to, p.first+p.rows)
			pieces[c] = append(pieces[c], piece{page: p, from: int(from - p.first), n: int(to - from), at: int(from - e.from)})
			if k == len(n.slots)-1 && to != e.to {
				return nil, &columnError{s.name, corrupted("no page for row %d", to)}
			}
		}
	}
	return pieces, nil
}

// ready tells whether there is nothing to wait for.
func (o *once[V]) ready() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// wants tells whether any row of a page is wanted.
func (g *group) wants(l *layout, i int) bool {
	return overlaps(g.spans, span{l.pages[i].first, l.pages[i].first + l.pages[i].rows}) > 0
}

// done lets go of what only the rows e needed. After the last it lets go of
// everything.
func (g *group) done(e span) error {
	for _, s := range g.columns {
		s.mu.Lock()
		l := s.layout
		s.mu.Unlock()
		if l != nil && l.ready() && l.err == nil {
			s.taken(&l.value, e)
		}
	}
	if g.left.Add(e.from-e.to) == 0 { // and everybody else is through with the above
		return g.close()
	}
	return nil
}

// close lets go of everything. Nobody reads the group any more.
func (g *group) close() error {
	for _, s := range g.columns {
		s.mu.Lock()
		s.layout, s.dict, s.pages, s.left = nil, nil, nil, nil
		s.mu.Unlock()
	}
	return g.readers.close()
}

// newGroup prepares to read the columns of a row group, no row of the file before
// row from; nothing is read yet.
func (o *file) newGroup(index int, first, from int64, columns []int, direct bool) (*group, error) {
	g := &group{index: index, first: first, rows: o.meta.RowGroups[index].NumRows}
	var err error
	if g.spans, err = o.matching(index); err != nil {
		return g, err
	}
	if from > first {
		g.spans = without(g.spans, span{0, from - first})
	}
	if len(g.spans) == 0 {
		return g, nil
	}
	for _, s := range g.spans {
		g.left.Add(s.to - s.from)
	}
	if !direct {
		return g, nil
	}
	for _, c := range columns {
		g.columns = append(g.columns, &shared{
			chunk: o.chunk(index, c), name: dotted(o.leaves[c].Path()),
			pages: make(map[int]*once[*page]), left: make(map[int]int64),
		})
	}
	return g, nil
}

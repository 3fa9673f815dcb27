package parquet

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// readers are the library's readers of a row group. Each is used by one worker at
// a time.
type readers struct {
	examined *once[struct{}]

	mu   sync.Mutex
	free []*placed
}

// reader is a *parquet.GenericReader of some T.
type reader interface {
	io.Closer
	SeekToRow(row int64) error
}

// placed is a reader and the row that it reads next.
type placed struct {
	reader
	at int64
}

// take returns the free reader whose place is nearest before a row; nil if there
// is none.
func (r *readers) take(row int64) *placed {
	r.mu.Lock()
	defer r.mu.Unlock()
	best := -1
	for i, f := range r.free {
		if f.at <= row && (best < 0 || f.at > r.free[best].at) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	p := r.free[best]
	r.free[best] = r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	return p
}

func (r *readers) put(p *placed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, p)
}

// close closes the readers, none of which is in use.
func (r *readers) close() error {
	var err error
	for _, f := range r.free {
		if e := safely(f.Close); err == nil {
			err = e
		}
	}
	r.free = nil
	return err
}

// readRows has the library decode rows into items.
func readRows[T any](ctx context.Context, o *file, g *group, columns []int, e span, items []T) error {
	r := &g.readers
	r.mu.Lock()
	x, mine := share(&r.examined)
	r.mu.Unlock()
	if mine {
		x.make(func() (none struct{}, err error) {
			for _, c := range columns {
				if err := o.chunk(g.index, c).examine(); err != nil {
					return none, &columnError{dotted(o.leaves[c].Path()), err}
				}
			}
			return none, nil
		})
	}
	if _, err := x.wait(ctx); err != nil {
		return err
	}
	return safely(func() error {
		p := r.take(e.from)
		if p == nil {
			p = &placed{reader: parquet.NewGenericRowGroupReader[T](o.pq.RowGroups()[g.index])}
		}
		err := fill(p, e, items)
		if err != nil {
			_ = p.Close() // there is a better error
			return err
		}
		r.put(p)
		return nil
	})
}

// fill reads the rows e.
func fill[T any](p *placed, e span, items []T) error {
	if p.at != e.from {
		if err := p.SeekToRow(e.from); err != nil {
			return err
		}
	}
	rows, ok := p.reader.(*parquet.GenericReader[T])
	if !ok {
		return fmt.Errorf("reader of another type: %T", p.reader)
	}
	for n := 0; n < len(items); {
		k, err := rows.Read(items[n:])
		n += k
		switch {
		case n == len(items):
		case err == io.EOF || err == nil && k == 0:
			return corrupted("%d rows, want %d", e.from+int64(n), e.to)
		case err != nil:
			return fmt.Errorf("%w: %w", errCorrupted, err)
		}
	}
	p.at = e.to
	return nil
}

package source

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/internal/columns"
	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// queryPuller reads rows. A driver may wait for a row as long as it likes, so
// rows are read on a goroutine of their own, one step at a time, which a pull waits
// for as long as it wants to: what a step reads after that is for the next pull.
type queryPuller[T any] struct {
	q      *queryPlan
	ctx    context.Context // of the run: interrupts the driver
	cancel context.CancelFunc
	timer  *time.Timer

	pending bool       // a step is under way
	results chan error // of one step: its error
	end     error      // of the last one
	late    atomic.Bool
	first   int64 // items and errors that were handed on
	base    int64 // rows before the first
	before  []any // the key of the row that was handed on last

	mu   sync.Mutex // only for moving rows into and out of read
	read []fetched[T]
	head int // rows of read that were handed on

	// Only for the step while one is under way.
	rows   *sql.Rows
	names  []string // of the columns
	reader *columns.Reader
	row    int64      // rows that were read
	at     fetched[T] // the row at hand
	extra  []any      // where the values of its key go
	last   []any      // the key of the row before
}

// fetched is a row that was read.
type fetched[T any] struct {
	item T
	err  *stage.ItemError // instead of an item
	key  []any            // the row's, for a query with a key
}

// Pull implements stage.Puller.
func (p *queryPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	room := max.Room()
	for p.reading() || p.take(into, room) == 0 {
		if p.end != nil && !p.pending {
			return p.end
		}
		if err := p.wait(ctx, room); err != nil {
			return err
		}
	}
	if p.end != nil && !p.pending && p.drained() {
		return p.end
	}
	return nil
}

// reading says that a page is being read. Its rows are handed on when its
// connection was given back.
func (p *queryPuller[T]) reading() bool { return p.pending && p.q.key != nil }

// take moves rows that were read into a chunk.
func (p *queryPuller[T]) take(into *stage.Chunk[T], room int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := p.read[p.head:min(p.head+room, len(p.read))]
	for i := range rows {
		r := &rows[i]
		if r.err == nil {
			into.Items = append(into.Items, r.item)
		} else {
			into.Fail(r.err)
		}
	}
	n := len(rows)
	if n == 0 {
		return 0
	}
	number(into, p.first)
	at := &into.Tokens[0].At
	at.Record += p.base
	at.Key = encodeKey(p.before)
	p.first += int64(n)
	p.before = rows[n-1].key
	p.head += n
	clear(rows)
	if p.head == len(p.read) {
		p.read, p.head = p.read[:0], 0
	}
	return n
}

func (p *queryPuller[T]) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head == len(p.read)
}

// wait waits until the step has ended or, for long enough, and there are rows. Its error is that the
// context has ended.
func (p *queryPuller[T]) wait(ctx context.Context, room int) error {
	if !p.pending {
		p.pending = true
		p.late.Store(false)
		go p.step(room)
	}
	var late <-chan time.Time
	if p.q.key == nil {
		if p.timer == nil {
			p.timer = time.NewTimer(patience)
		} else {
			p.timer.Reset(patience)
		}
		defer p.timer.Stop()
		late = p.timer.C
	}
	defer plan.Lend(ctx)()
	for {
		select {
		case err := <-p.results:
			p.pending = false
			if err != nil {
				p.end = err
			}
			return nil
		case <-late:
			p.late.Store(true) // the step ends with its next row
			if !p.drained() {
				return nil
			}
		case <-ctx.Done():
			p.late.Store(true)
			return context.Cause(ctx)
		}
	}
}

// step reads rows, up to so many or a page.
func (p *queryPuller[T]) step(room int) {
	err := stage.ErrGoexit // unless it is known better
	defer func() {
		if v := recover(); v != nil { // of the driver's: those of T's are in item errors
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
		if err != nil && err != io.EOF {
			if p.ctx.Err() != nil {
				err = context.Cause(p.ctx)
			} else {
				err = fmt.Errorf("source: %w", &QueryError{Query: p.q.text, Row: p.row + 1, Err: err})
			}
		}
		p.results <- err
	}()
	if p.q.key != nil {
		err = p.page()
	} else {
		err = p.some(room)
	}
}

// some reads up to so many rows.
func (p *queryPuller[T]) some(room int) error {
	for range room {
		if !p.rows.Next() {
			return p.finish()
		}
		if err := p.scan(nil); err != nil {
			return err
		}
		p.add()
		if p.late.Load() {
			return nil
		}
	}
	return nil
}

// finish closes a result that has no more rows.
func (p *queryPuller[T]) finish() error {
	if err := errors.Join(p.rows.Err(), p.rows.Close()); err != nil {
		return err
	}
	return io.EOF
}

// add makes the row that was scanned ready to be handed on.
func (p *queryPuller[T]) add() {
	p.row++
	p.mu.Lock()
	p.read = append(p.read, p.at)
	p.mu.Unlock()
}

// scan makes an item, or an item error, of the row at hand. key is where the
// values of its key go.
func (p *queryPuller[T]) scan(key []any) error {
	p.at = fetched[T]{key: key}
	p.extra = p.extra[:0]
	for i := range key {
		p.extra = append(p.extra, &key[i])
	}
	err := p.item()
	if err == nil {
		return nil
	}
	row, again := p.values(key)
	if again != nil {
		return errors.Join(err, again)
	}
	p.failed(row, err)
	return nil
}

// item scans the row at hand.
func (p *queryPuller[T]) item() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return p.reader.Scan(p.rows.Scan, reflect.ValueOf(&p.at.item).Elem(), p.extra...)
}

// values are those of the row at hand as the database gave them, by column, and
// of its key.
func (p *queryPuller[T]) values(key []any) (map[string]any, error) {
	values := make([]any, len(p.names)+len(key))
	dest := make([]any, len(values))
	for i := range values {
		dest[i] = &values[i]
	}
	if err := p.rows.Scan(dest...); err != nil {
		return nil, err
	}
	row := make(map[string]any, len(p.names))
	for i, name := range p.names {
		row[name] = values[i]
	}
	copy(key, values[len(p.names):])
	return row, nil
}

// failed makes an item error of the row at hand.
func (p *queryPuller[T]) failed(row map[string]any, err error) {
	var zero T
	p.at.item = zero
	p.at.err = &stage.ItemError{
		Stage: "source", Index: p.row - p.base, Input: row, At: stage.Position{Record: p.row},
		Err: &QueryError{Query: p.q.text, Row: p.row + 1, Key: encodeKey(p.at.key), Err: err},
	}
	if bad, ok := errors.AsType[*stage.PanicError](err); ok {
		p.at.err.Stack = bad.Stack
	}
}

// Close implements stage.Puller. The result of a query that is left early is
// abandoned: reading it to its end could take as long as the query. What closing
// such a result reports is only that.
func (p *queryPuller[T]) Close() error {
	p.cancel()
	if p.pending {
		p.pending = false
		<-p.results //nolint:errcheck // of what nobody asks for any more
	}
	if p.rows != nil {
		_ = p.rows.Close()
	}
	p.read = nil
	return nil
}

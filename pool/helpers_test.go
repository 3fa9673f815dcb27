package pool_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

var (
	errItem     = errors.New("the item is bad")        // what functions of the tests fail with
	errRecord   = errors.New("the record is bad")      // what items fail with that sources report
	errSource   = errors.New("the disk is on fire")    // what sources fail with
	errCause    = errors.New("the operator said so")   // what contexts are cancelled with
	errPatience = errors.New("the pull took too long") // what single pulls are given up with
)

const noEnd = 1 << 40

// feed is a source of the numbers 0, 1, 2, ..., made by hand so that it shows
// all that is done to it and can be made to do whatever a source may.
type feed struct {
	n     int                                        // how many numbers there are; noEnd for no end
	end   error                                      // what it ends with; nil is io.EOF
	apart bool                                       // the end comes with a pull of its own
	lens  func(pull int) int                         // how many items a pull has at hand; nil: as many as are asked for
	over  bool                                       // hand out what is at hand, however little was asked for
	fails func(i int) bool                           // which items fail here
	sized bool                                       // it knows what remains
	pull  func(ctx context.Context, next int) error  // called when a pull begins
	took  func(asked stage.Limit, next, records int) // called when a pull has taken records, items and errors

	opened, closed, pulls, pulled atomic.Int64
}

func numbers(n int) *feed { return &feed{n: n} }

func (f *feed) stream() stage.Stream[int] {
	return stage.New("numbers", func(context.Context) (stage.Puller[int], error) {
		f.opened.Add(1)
		p := &feedPuller{feed: f}
		if f.sized {
			return sizedPuller{p}, nil
		}
		return p, nil
	})
}

type feedPuller struct {
	*feed
	calls, next int
	pulling     atomic.Int32
	shut        atomic.Bool
}

func (p *feedPuller) Pull(ctx context.Context, into *stage.Chunk[int], limit stage.Limit) error {
	if p.pulling.Add(1) != 1 || p.shut.Load() {
		panic("the pulls of a source must follow one another, and none may follow its close")
	}
	defer p.pulling.Add(-1)
	p.pulls.Add(1)
	into.Reset()
	if p.pull != nil {
		if err := p.pull(ctx, p.next); err != nil {
			return err
		}
	}
	n := limit.Room()
	if p.lens != nil {
		n = p.lens(p.calls)
		if !p.over {
			n = min(n, limit.Room())
		}
	}
	p.calls++
	n = min(n, p.n-p.next)
	if n > 0 || p.next < p.n {
		into.Tokens = append(into.Tokens, token(p.next, n))
	}
	for i := p.next; i < p.next+n; i++ {
		if p.fails != nil && p.fails(i) {
			into.Fail(recordError(i))
		} else {
			into.Items = append(into.Items, i)
		}
	}
	p.next += n
	p.pulled.Add(int64(n))
	if p.took != nil {
		p.took(limit, p.next-n, n)
	}
	if p.next == p.n && (!p.apart || n == 0) {
		if p.end != nil {
			return p.end
		}
		return io.EOF
	}
	return nil
}

func (p *feedPuller) Close() error {
	p.shut.Store(true)
	p.closed.Add(1)
	return nil
}

type sizedPuller struct{ *feedPuller }

func (p sizedPuller) Remaining() (int64, bool) { return int64(p.n - p.next), true }

const feedName = "numbers.txt"

func token(first, n int) stage.Token {
	at := stage.Position{Record: int64(first), Key: feedName}
	return stage.Token{At: at, First: int64(first), N: int64(n)}
}

func recordError(i int) *stage.ItemError {
	return &stage.ItemError{Index: int64(i), Input: strconv.Itoa(i), At: token(i, 1).At, Err: errRecord}
}

// blocks is a third party's source of the same numbers whose work is done by
// Fill: a block is lines of text.
type blocks struct {
	n      int
	lens   func(block int) int            // lines of a block; nil: as many as are asked for
	fails  func(i int) bool               // which lines are no numbers
	broken func(i int) bool               // filling ends with errSource before this line
	end    error                          // what it ends with; nil is io.EOF
	fill   func(context.Context, int)     // called when the filling of a block begins that starts with this line
	took   func(limit stage.Limit, n int) // called when a pull has taken n lines

	opened, closed   atomic.Int64
	pulling, filling atomic.Int32
}

func (f *blocks) stream() stage.Stream[int] {
	return stage.New("blocks", func(context.Context) (stage.Puller[int], error) {
		f.opened.Add(1)
		return &blockPuller{blocks: f}, nil
	})
}

type blockPuller struct {
	*blocks
	calls, next int
}

func (p *blockPuller) Pull(_ context.Context, into *stage.Chunk[int], limit stage.Limit) error {
	p.pulling.Add(1)
	defer p.pulling.Add(-1)
	into.Reset()
	n := limit.Room()
	if p.lens != nil {
		n = p.lens(p.calls)
	}
	n = min(n, p.n-p.next)
	p.calls++
	into.Block = []byte{} // an empty block is one as well
	at := token(p.next, n)
	at.At.Offset = lineStart(p.next)
	for i := p.next; i < p.next+n; i++ {
		into.Block = strconv.AppendInt(into.Block, int64(i), 10)
		into.Block = append(into.Block, '\n')
	}
	if n > 0 || p.next < p.n {
		into.Tokens = append(into.Tokens, at)
	}
	p.next += n
	if p.took != nil {
		p.took(limit, n)
	}
	switch {
	case p.next < p.n:
		return nil
	case p.end != nil:
		return p.end
	default:
		return io.EOF
	}
}

func (p *blockPuller) Fill(ctx context.Context, c *stage.Chunk[int]) error {
	p.filling.Add(1)
	defer p.filling.Add(-1)
	for line := range bytes.Lines(c.Block) {
		i, err := strconv.Atoi(string(line[:len(line)-1]))
		if err != nil {
			return err
		}
		if p.fill != nil && i == int(c.Tokens[0].First) {
			p.fill(ctx, i)
		}
		switch {
		case p.broken != nil && p.broken(i):
			return errSource
		case p.fails != nil && p.fails(i):
			c.Fail(recordError(i))
		default:
			c.Items = append(c.Items, i)
			c.Offsets = append(c.Offsets, int32(lineStart(i)-c.Tokens[0].At.Offset))
		}
	}
	return nil
}

// lineStart is the byte at which a number's line starts in the text of all.
func lineStart(i int) (at int64) {
	for digits, low := 1, 0; low < i; digits++ {
		high := 10
		for range digits - 1 {
			high *= 10
		}
		high = min(high, i)
		at += int64((high - low) * (digits + 1))
		low = high
	}
	return at
}

func (p *blockPuller) Close() error {
	p.closed.Add(1)
	return nil
}

// event is what a consumer meets in a stream: an item or the failure of one.
type event[T any] struct {
	item T
	err  *stage.ItemError
}

// outcome is all that came out of a stream.
type outcome[T any] struct {
	events []event[T]
	tokens []stage.Token
	end    error
}

func (o *outcome[T]) items() (items []T) {
	for _, e := range o.events {
		if e.err == nil {
			items = append(items, e.item)
		}
	}
	return items
}

func (o *outcome[T]) errors() (errs []*stage.ItemError) {
	for _, e := range o.events {
		if e.err != nil {
			errs = append(errs, e.err)
		}
	}
	return errs
}

// add takes a chunk's items and errors in their order.
func (o *outcome[T]) add(t require.TestingT, c *stage.Chunk[T]) {
	next := 0
	for _, e := range c.Errors {
		require.GreaterOrEqual(t, e.Before, next, "errors stand in order")
		require.LessOrEqual(t, e.Before, len(c.Items), "an error stands within its chunk")
		for ; next < e.Before; next++ {
			o.events = append(o.events, event[T]{item: c.Items[next]})
		}
		o.events = append(o.events, event[T]{err: e})
	}
	for ; next < len(c.Items); next++ {
		o.events = append(o.events, event[T]{item: c.Items[next]})
	}
	o.tokens = append(o.tokens, c.Tokens...)
}

// drain runs a stream to its end, asking for as many items a pull as limit
// says; nil sets no bound.
func drain[T any](t require.TestingT, s stage.Stream[T], limit func() int) (o outcome[T]) {
	p, err := s.Open(context.Background())
	require.NoError(t, err)
	var c stage.Chunk[T]
	for o.end == nil {
		var l stage.Limit
		if limit != nil {
			l.Items = limit()
		}
		o.end = p.Pull(context.Background(), &c, l)
		if l.Items > 0 {
			require.LessOrEqual(t, len(c.Items), l.Items, "a pull keeps to its limit")
		}
		o.add(t, &c)
	}
	again := p.Pull(context.Background(), &c, stage.Limit{})
	require.Equal(t, o.end, again, "the end of a stream stays")
	require.True(t, c.Empty(), "nothing comes behind the end")
	require.NoError(t, p.Close())
	return o
}

// upTo is a limit that is always the same.
func upTo(n int) func() int { return func() int { return n } }

// ints are the integers from 0 to n.
func ints(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// requireTokens checks that tokens account for n records, each once.
func requireTokens(t require.TestingT, n int, tokens []stage.Token) {
	tokens = slices.Clone(tokens)
	slices.SortFunc(tokens, func(a, b stage.Token) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.N, b.N)) })
	next := int64(0)
	for _, tok := range tokens {
		require.Equal(t, next, tok.First, "a range is lost or accounted for twice")
		require.Equal(t, tok.First, tok.At.Record)
		next += tok.N
	}
	require.EqualValues(t, n, next)
}

// gauge counts how many are inside at once.
type gauge struct {
	mu        sync.Mutex
	now, peak int
	entered   int
}

func (g *gauge) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.entered++
	g.peak = max(g.peak, g.now)
}

func (g *gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gauge) read() (now, peak, entered int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.peak, g.entered
}

// nap sleeps for d, or until ctx ends. It is for synctest bubbles, where a timer
// that is due at once must not be made: when two goroutines receive from such
// timers at the same time, the race detector breaks down (golang.org/issue/78156).
func nap(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// same is the function that does nothing.
func same(_ context.Context, i int) (int, error) { return i, nil }

// ordered and unordered name the two orders.
var orders = []struct {
	name      string
	unordered bool
}{{"ordered", false}, {"unordered", true}}

func options(unordered bool, opts ...pool.Option) []pool.Option {
	if unordered {
		return append(opts, pool.Unordered())
	}
	return opts
}

// idle checks that no call is live on the pool: Wait returns.
func idle(t *testing.T, p *pool.Pool) {
	t.Helper()
	require.NoError(t, p.Wait())
}

func label(parts ...any) string {
	var b bytes.Buffer
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, p)
	}
	return b.String()
}

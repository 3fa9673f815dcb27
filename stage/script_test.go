package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-go/penstock/internal/plan"
)

// event is what stands at one place of a test source: an item, or a failed one.
type event struct {
	item int
	err  error
}

// script is a source that does what a test says.
type script struct {
	events []event
	cuts   []int // records per chunk at most, in turn; 0: an empty chunk. None: as many as are asked for
	end    error // nil: io.EOF
	late   bool  // the end comes alone
	eager  bool  // failed records behind the last item asked for come with it
	deaf   bool  // it does not look at the context
	part   int32
	block  []byte // of every chunk
	shape  func(*Chunk[int])

	mu struct { // what happened
		asked  []int
		pulled int // records
		pulls  int
		opens  int
		closes int
		tokens []Token
	}
	closeErr error
}

func (s *script) stream() Stream[int] {
	return New("script", func(context.Context) (Puller[int], error) {
		s.mu.opens++
		s.mu.pulled, s.mu.pulls, s.mu.tokens = 0, 0, nil
		return (*scriptPuller)(s), nil
	})
}

type scriptPuller script

func (s *scriptPuller) Pull(ctx context.Context, into *Chunk[int], max Limit) error {
	into.Reset()
	s.mu.asked = append(s.mu.asked, max.Items)
	if ctx.Err() != nil && !s.deaf {
		return context.Cause(ctx)
	}
	want := len(s.events)
	if len(s.cuts) > 0 {
		want = s.cuts[s.mu.pulls%len(s.cuts)]
	}
	s.mu.pulls++
	first := s.mu.pulled
	for s.mu.pulled < len(s.events) && s.mu.pulled-first < want {
		e := s.events[s.mu.pulled]
		if len(into.Items) == max.Room() && (!s.eager || e.err == nil) {
			break
		}
		if e.err != nil {
			into.Fail(&ItemError{Stage: "script", Index: int64(s.mu.pulled), Err: e.err})
		} else {
			into.Items = append(into.Items, e.item)
		}
		s.mu.pulled++
	}
	if n := s.mu.pulled - first; n > 0 {
		t := Token{At: Position{Part: s.part, Record: int64(first), Key: "script"}, First: int64(first), N: int64(n)}
		into.Tokens = append(into.Tokens, t)
		s.mu.tokens = append(s.mu.tokens, t)
	}
	into.Block = s.block
	if s.shape != nil {
		s.shape(into)
	}
	if s.mu.pulled < len(s.events) || (s.late && s.mu.pulled > first) {
		return nil
	}
	if s.end != nil {
		return s.end
	}
	return io.EOF
}

func (s *scriptPuller) Remaining() (int64, bool) { return int64(len(s.events) - s.mu.pulled), true }

func (s *scriptPuller) Close() error {
	s.mu.closes++
	return s.closeErr
}

// items makes a script of items only.
func items(vs ...int) *script {
	s := &script{}
	for _, v := range vs {
		s.events = append(s.events, event{item: v})
	}
	return s
}

// ints is the stream of 0 to n-1.
func ints(n int) Stream[int] { return upTo(n).stream() }

func upTo(n int) *script {
	s := &script{events: make([]event, n)}
	for i := range s.events {
		s.events[i].item = i
	}
	return s
}

var errBad = errors.New("bad")

// outcome is what a stream showed, in order: items as they print, errors as
// stage, index and text.
func outcome[T any](c *Chunk[T]) []string {
	var out []string
	errs := c.Errors
	for i := 0; i <= len(c.Items); i++ {
		for len(errs) > 0 && errs[0].Before == i {
			out = append(out, failed(errs[0].Stage, errs[0].Index, errs[0].Err))
			errs = errs[1:]
		}
		if i < len(c.Items) {
			out = append(out, fmt.Sprint(c.Items[i]))
		}
	}
	if len(errs) > 0 {
		panic("errors out of order or out of range")
	}
	return out
}

func failed(stage string, index int64, err error) string {
	return fmt.Sprintf("%s#%d: %v", stage, index, err)
}

// watched opens a stream with a registry, and returns its meters when it was
// closed, after checking that they add up.
func watched[T any](t assert.TestingT, s Stream[T]) (Puller[T], func() []*plan.Meter) {
	var reg plan.Registry
	p, err := s.Open(plan.WithRegistry(context.Background(), &reg))
	if !assert.NoError(t, err) {
		panic(err)
	}
	return p, func() []*plan.Meter {
		assert.NoError(t, p.Close())
		assert.NoError(t, p.Close(), "a second time")
		for _, m := range reg.Meters() {
			assertAddsUp(t, m)
		}
		return reg.Meters()
	}
}

func assertAddsUp(t assert.TestingT, m *plan.Meter) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	assert.Equal(t, m.In+m.Expanded, m.Out+m.Filtered+m.Failed+m.Merged+m.Abandoned, "%s does not add up: %+v", m.Node.Label(), m)
	for _, n := range []int64{m.In, m.Out, m.Filtered, m.Failed, m.Expanded, m.Merged, m.Abandoned} {
		assert.GreaterOrEqual(t, n, int64(0), "%s: %+v", m.Node.Label(), m)
	}
}

// ended is a context that has ended with a cause.
func ended(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}

func requirePanics(t *testing.T, message string, fn func()) {
	t.Helper()
	assert.PanicsWithValue(t, message, fn)
}

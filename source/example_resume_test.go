package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Squares is a source of one's own that a run with a checkpoint can go on in.
func Squares(n int64) stage.Stream[int64] {
	return stage.New("Squares", func(context.Context) (stage.Puller[int64], error) { return &squares{n: n}, nil })
}

type squares struct{ next, n int64 }

func (s *squares) Pull(_ context.Context, into *stage.Chunk[int64], max stage.Limit) error {
	into.Reset()
	first := s.next
	for ; s.next < s.n && len(into.Items) < max.Room(); s.next++ {
		into.Items = append(into.Items, s.next*s.next)
	}
	if s.next == first {
		return io.EOF
	}
	into.Tokens = append(into.Tokens, stage.Token{At: stage.Position{Record: first}, First: first, N: s.next - first})
	return nil
}

func (s *squares) Close() error { return nil }

func (s *squares) Fingerprint(context.Context) (json.RawMessage, error) {
	return json.Marshal(map[string]int64{"n": s.n})
}

func (s *squares) Seek(_ context.Context, at stage.Position, _ int64) error {
	s.next = at.Record
	return nil
}

// show is a sink that prints, and fails at an item.
func show[T comparable](bad T) stage.Sink[T] {
	return sink.Func(func(_ context.Context, v T) error {
		if v == bad {
			return errors.New("the power is gone")
		}
		fmt.Println(v)
		return nil
	})
}

// A run that died is followed by one that goes on where it left off.
func ExampleSlice_resume() {
	dir, _ := os.MkdirTemp("", "resume")
	defer os.RemoveAll(dir)
	store := checkpoint.File(filepath.Join(dir, "checkpoint"))
	ctx := context.Background()

	letters := source.Slice([]string{"a", "b", "c"})
	_, err := stage.Run(ctx, letters, show("b"), stage.Checkpoint(store, 1))
	fmt.Println("error:", err)
	sum, err := stage.Run(ctx, letters, show(""), stage.Checkpoint(store, 1))
	fmt.Println(sum.Resumed != nil, err)
	// Output:
	// a
	// error: sink: item 1: the power is gone
	// b
	// c
	// true <nil>
}

// So is one in a source of one's own. This sink is written at least once: what was
// not yet in a checkpoint comes again.
func Example_resumableSource() {
	dir, _ := os.MkdirTemp("", "resume")
	defer os.RemoveAll(dir)
	store := checkpoint.File(filepath.Join(dir, "checkpoint"))
	ctx := context.Background()

	_, err := stage.Run(ctx, Squares(4), show[int64](4), stage.Checkpoint(store, 1))
	fmt.Println("error:", err)
	_, err = stage.Run(ctx, Squares(4), show[int64](-1), stage.Checkpoint(store, 1))
	fmt.Println(err)
	_, err = stage.Run(ctx, source.Func(func(context.Context) (int64, error) { return 0, io.EOF }), show[int64](-1),
		stage.Checkpoint(checkpoint.File(filepath.Join(dir, "other")), 1))
	fmt.Println(errors.Is(err, source.ErrNoResume))
	// Output:
	// 0
	// 1
	// error: sink: item 2: the power is gone
	// 1
	// 4
	// 9
	// <nil>
	// true
}

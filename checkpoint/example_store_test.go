package checkpoint_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/checkpoint"
)

// memory is a store of one's own.
type memory struct {
	open bool
	text []byte
}

func (m *memory) Open(context.Context) error {
	if m.open {
		return checkpoint.ErrLocked
	}
	m.open = true
	return nil
}

func (m *memory) Load(context.Context) (checkpoint.State, bool, error) {
	if m.text == nil {
		return checkpoint.State{}, false, nil
	}
	s, err := checkpoint.Decode(m.text)
	return s, err == nil, err
}

func (m *memory) Save(_ context.Context, s checkpoint.State) (err error) {
	m.text, err = s.Encode()
	return err
}

func (m *memory) Close(context.Context) error {
	m.open = false
	return nil
}

func ExampleStore() {
	ctx := context.Background()
	var store checkpoint.Store = &memory{}
	fmt.Println(store.Open(ctx), store.Open(ctx))
	fmt.Println(store.Save(ctx, checkpoint.State{Epoch: 1}))
	s, ok, err := store.Load(ctx)
	fmt.Println(s.Epoch, ok, err)
	fmt.Println(store.Close(ctx))
	// Output:
	// <nil> in use by another run
	// <nil>
	// 1 true <nil>
	// <nil>
}

func ExampleFile() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store := checkpoint.File(filepath.Join(dir, "job.checkpoint"))
	if err := store.Open(ctx); err != nil { // an ErrLocked while another run has it
		fmt.Println(err)
		return
	}
	defer store.Close(ctx)
	if err := store.Save(ctx, checkpoint.State{Pipeline: "flights", Epoch: 7}); err != nil {
		fmt.Println(err)
		return
	}
	s, ok, err := store.Load(ctx)
	fmt.Println(s.Pipeline, s.Epoch, ok, err)
	// Output: flights 7 true <nil>
}

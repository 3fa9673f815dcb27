package stage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// packets is a source whose blocks hold words. Taking a block is quick and done
// by one worker at a time; splitting it is done by many at once.
type packets struct{ left [][]byte }

func (p *packets) Pull(_ context.Context, into *stage.Chunk[string], _ stage.Limit) error {
	into.Reset()
	if len(p.left) == 0 {
		return io.EOF
	}
	into.Block, p.left = p.left[0], p.left[1:]
	return nil
}

func (*packets) Fill(_ context.Context, c *stage.Chunk[string]) error {
	for word := range bytes.FieldsSeq(c.Block) {
		c.Items = append(c.Items, string(word))
	}
	return nil
}

func (*packets) Close() error { return nil }

func ExampleFiller() {
	words := stage.New("packets", func(context.Context) (stage.Puller[string], error) {
		return &packets{left: [][]byte{[]byte("to be or"), []byte("not to be")}}, nil
	})
	fmt.Println(words.Collect(context.Background()))
	fmt.Println(pool.Imap(nil, words, stage.Pure(strings.ToUpper)).Collect(context.Background()))
	// Output:
	// [to be or not to be] <nil>
	// [TO BE OR NOT TO BE] <nil>
}

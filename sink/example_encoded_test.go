package sink_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// tabbed is an encoder: the flights as fields with tabs between them.
type tabbed struct{}

func (tabbed) Encode(dst []byte, c *stage.Chunk[Flight]) ([]byte, error) {
	for _, f := range c.Items {
		dst = append(dst, f.Origin...)
		dst = append(dst, '\t')
		dst = append(strconv.AppendInt(dst, int64(f.Delay), 10), '\n')
	}
	return dst, nil
}

// An encoder of your own works in one goroutine or in many.
func ExampleEncoded() {
	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX", -3})
	_, err := stage.Run(context.Background(), flights, sink.Encoded("-", tabbed{}))
	fmt.Println(err)
	_, err = stage.Run(context.Background(), pool.Encode(nil, flights, tabbed{}), sink.File("-"))
	fmt.Println(err)
	// Output:
	// ABQ	14
	// PHX	-3
	// <nil>
	// ABQ	14
	// PHX	-3
	// <nil>
}

// Formatting in the workers of a pool, compressed at a high level.
func ExampleFile() {
	dir, remove := folder()
	defer remove()
	p := pool.New(2)
	defer p.Close()
	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX, AZ", -3})
	blocks := pool.Encode(p, flights, sink.CSVEncoder[Flight]())
	_, err := stage.Run(context.Background(), blocks, sink.File(dir+"/flights.csv.zst", sink.Level(19)))
	fmt.Println(err)
	back, err := source.CSV[Flight](dir + "/flights.csv.zst").Collect(context.Background())
	fmt.Println(back, err)
	// Output:
	// <nil>
	// [{ABQ 14} {PHX, AZ -3}] <nil>
}

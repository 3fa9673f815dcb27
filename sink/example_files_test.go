package sink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// folder makes a temporary folder for an example.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

func ExampleLines() {
	dir, remove := folder()
	defer remove()
	path := filepath.Join(dir, "words.txt.gz")

	_, err := stage.Run(context.Background(), source.Of("gate", "pipe"), sink.Lines(path))
	fmt.Println(err)
	words, err := source.Lines(path).Collect(context.Background())
	fmt.Println(words, err)
	// Output:
	// <nil>
	// [gate pipe] <nil>
}

// Flight is a row of the examples.
type Flight struct {
	Origin string `csv:"origin" db:"origin" json:"origin"`
	Delay  int    `csv:"delay"  db:"delay"  json:"delay"`
}

func ExampleCSV() {
	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX, AZ", -3})
	_, err := stage.Run(context.Background(), flights, sink.CSV[Flight]("-")) // standard output
	fmt.Println(err)
	// Output:
	// origin,delay
	// ABQ,14
	// "PHX, AZ",-3
	// <nil>
}

func ExampleNDJSON() {
	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX", -3})
	_, err := stage.Run(context.Background(), flights, sink.NDJSON[Flight]("-")) // standard output
	fmt.Println(err)
	// Output:
	// {"origin":"ABQ","delay":14}
	// {"origin":"PHX","delay":-3}
	// <nil>
}

// A run that fails leaves the old file as it was.
func ExampleNDJSON_failedRun() {
	dir, remove := folder()
	defer remove()
	path := filepath.Join(dir, "out.ndjson")
	_, err := stage.Run(context.Background(), source.Of(1, 2, 3), sink.NDJSON[int](path))
	fmt.Println(err)

	inverse := stage.Map(source.Of(1, 0), func(_ context.Context, n int) (int, error) {
		if n == 0 {
			return 0, fmt.Errorf("nothing divides by %d", n)
		}
		return 1 / n, nil
	})
	_, err = stage.Run(context.Background(), inverse, sink.NDJSON[int](path))
	fmt.Println(err)
	old, err := os.ReadFile(path)
	fmt.Printf("%q %v\n", old, err)
	// Output:
	// <nil>
	// Map: item 1: nothing divides by 0
	// "1\n2\n3\n" <nil>
}

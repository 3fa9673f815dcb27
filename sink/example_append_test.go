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

func ExampleAppend() {
	dir, remove := folder()
	defer remove()
	log := filepath.Join(dir, "log.txt")
	for _, day := range []string{"monday", "tuesday"} {
		if _, err := stage.Run(context.Background(), source.Of(day), sink.Lines(log, sink.Append())); err != nil {
			fmt.Println(err)
		}
	}
	text, err := os.ReadFile(log)
	fmt.Printf("%s%v\n", text, err)
	// Output:
	// monday
	// tuesday
	// <nil>
}

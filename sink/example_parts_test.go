package sink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A run with a checkpoint publishes files as they become complete. One that fails
// leaves those, and the next one goes on behind them.
func ExampleMaxBytes_checkpoint() {
	dir, remove := folder()
	defer remove()
	broken := true
	for range 2 {
		numbers := stage.Map(source.Range(0, 7), func(_ context.Context, n int) (string, error) {
			if n == 5 && broken {
				return "", errors.New("the network is down")
			}
			return fmt.Sprint("item ", n), nil
		})
		summary, err := stage.Run(context.Background(), numbers, sink.Lines(filepath.Join(dir, "part.txt"), sink.MaxBytes(14)),
			stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 1))
		parts, failed := filepath.Glob(filepath.Join(dir, "part-*.txt"))
		fmt.Println(summary.Guarantee, len(parts), err != nil, failed)
		broken = false
	}
	text, err := os.ReadFile(filepath.Join(dir, "part-00003.txt"))
	fmt.Printf("%q %v\n", text, err)
	manifest, err := os.ReadFile(filepath.Join(dir, "_part.manifest.json"))
	fmt.Println(strings.Contains(string(manifest), `"complete": true`), err)
	// Output:
	// exactly once 1 true <nil>
	// exactly once 4 false <nil>
	// "item 4\nitem 5\n" <nil>
	// true <nil>
}

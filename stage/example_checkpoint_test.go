package stage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A job that fails on the way, or is killed, goes on when it is started again, and
// its output is what an undisturbed run would have written.
func ExampleCheckpoint() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "squares.txt")

	job := func(breaks int) {
		squares := pool.Imap(nil, source.Range(0, 8), func(_ context.Context, n int) (string, error) {
			if n == breaks {
				return "", errors.New("the network is down")
			}
			return strconv.Itoa(n * n), nil
		}, pool.ChunkSize(1), pool.InFlight(1))
		sum, err := stage.Run(context.Background(), squares, sink.Lines(out),
			stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job.checkpoint")), 1))
		if sum.Resumed != nil {
			fmt.Println("resumed:", sum.Resumed.Sources[0].Done, "records were done")
		}
		fmt.Println(sum.Guarantee, err)
	}
	job(5)
	job(-1)
	text, err := os.ReadFile(out)
	fmt.Println(strings.Fields(string(text)), err)
	// Output:
	// exactly once Imap: item 5: the network is down
	// resumed: 5 records were done
	// exactly once <nil>
	// [0 1 4 9 16 25 36 49] <nil>
}

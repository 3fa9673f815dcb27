package source_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// Count the bytes of the lines that say ERROR, in all cores. The lines are views
// of blocks that Reduce uses again: nothing is allocated for them.
func ExampleLineBytes() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "a.log")
	os.WriteFile(log, []byte("INFO start\nERROR disk full\nINFO retry\nERROR disk full again\n"), 0o600)

	n, err := pool.Reduce(context.Background(), nil, source.LineBytes(log),
		func() int { return 0 },
		func(_ context.Context, n int, line []byte) (int, error) {
			if bytes.HasPrefix(line, []byte("ERROR ")) {
				n += len(line)
			}
			return n, nil
		},
		func(a, b int) (int, error) { return a + b, nil })
	fmt.Println(n, err)
	// Output: 36 <nil>
}

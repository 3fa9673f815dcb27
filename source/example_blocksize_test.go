package source_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/source"
)

// Long lines, or a slow disk, may do better with larger blocks.
func ExampleBlockSize() {
	dir, remove := folder(map[string]string{"in": strings.Repeat("a line\n", 100_000)})
	defer remove()

	fmt.Println(source.Lines(filepath.Join(dir, "in"), source.BlockSize(1<<20)).Count(context.Background()))
	// Output: 100000 <nil>
}

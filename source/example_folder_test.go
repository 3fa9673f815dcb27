package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/source"
)

// A folder stands for all files in it and below, in lexical order.
func ExampleLines_folder() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	os.MkdirAll(filepath.Join(dir, "2001", "01"), 0o700)
	os.WriteFile(filepath.Join(dir, "2001", "01", "b.log"), []byte("two\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "2001", "01", "a.log"), []byte("one\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "2001", ".c.log.tmp"), []byte("half a li"), 0o600)

	lines, err := source.Lines(dir).Collect(context.Background())
	fmt.Println(lines, err)
	// Output: [one two] <nil>
}

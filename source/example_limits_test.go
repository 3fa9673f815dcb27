package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"github.com/penstock-go/penstock/source"
)

// A file of a few kilobytes that would become many megabytes is cut off.
func ExampleMaxTotal() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(bytes.Repeat([]byte("a line\n"), 1_000_000))
	w.Close()
	path := filepath.Join(dir, "upload.gz")
	os.WriteFile(path, packed.Bytes(), 0o600)

	n, err := source.Lines(path, source.MaxTotal(1<<20)).Count(context.Background())
	fmt.Println(n, errors.Is(err, source.ErrExpands))
	// Output: 149796 true
}

package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/source"
)

// folder makes a temporary folder with files, for an example.
func folder(files map[string]string) (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	if err != nil {
		panic(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

func ExampleLines() {
	dir, remove := folder(map[string]string{"access-1.log": "GET /\nPOST /form\n", "access-2.log": "GET /about\n"})
	defer remove()

	gets := source.Lines(filepath.Join(dir, "access-*.log")).Filter(func(line string) bool {
		return strings.HasPrefix(line, "GET")
	})
	for line, err := range gets.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(line)
	}
	// Output:
	// GET /
	// GET /about
}

func ExamplePaths() {
	dir, remove := folder(map[string]string{"b.log": "second\n", "a.log": "first\n"})
	defer remove()

	lines, err := source.Lines(filepath.Join(dir, "b.log"), source.Paths(filepath.Join(dir, "a.log"))).Collect(context.Background())
	fmt.Println(lines, err)
	// Output: [second first] <nil>
}

// A line that is too long is one item's error; the stream goes on.
func ExampleMaxRecord() {
	dir, remove := folder(map[string]string{"in": "short\na line that is much too long\nfine\n"})
	defer remove()

	for line, err := range source.Lines(filepath.Join(dir, "in"), source.MaxRecord(10)).All(context.Background()) {
		if errors.Is(err, source.ErrTooLong) {
			fmt.Println("too long")
			continue
		}
		fmt.Println(line)
	}
	// Output:
	// short
	// too long
	// fine
}

// A file that cannot be read to its end is an error after what it held.
func ExampleError() {
	_, err := source.Lines("missing.log").Collect(context.Background())
	var bad *source.Error
	fmt.Println(errors.As(err, &bad), err)
	// Output: true source: missing.log: no such file or directory
}

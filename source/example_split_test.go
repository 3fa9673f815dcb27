package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/source"
)

// Two processes read half of a file each. A section travels as JSON.
func ExampleSplit() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "in.txt")
	os.WriteFile(path, []byte("one\ntwo\nthree\nfour\nfive\n"), 0o600)

	sections, err := source.Split(context.Background(), 2, path)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, s := range sections {
		job, err := json.Marshal(s)
		if err != nil {
			fmt.Println(err)
			return
		}

		// Elsewhere:
		var mine source.Section
		json.Unmarshal(job, &mine)
		lines, err := source.Lines(path, source.Within(mine)).Collect(context.Background())
		fmt.Println(i, strings.Join(lines, " "), err)
	}
	// Output:
	// 0 one two three <nil>
	// 1 four five <nil>
}

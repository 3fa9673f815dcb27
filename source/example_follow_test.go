package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A log is rotated while it is followed; its lines are JSON.
func ExampleFollow() {
	dir, err := os.MkdirTemp("", "follow")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.log")
	write := func(text string) { _ = os.WriteFile(path, []byte(text), 0o600) }

	write("{\"n\":1}\n{\"n\":2}\n")
	type entry struct {
		N int `json:"n"`
	}
	lines := source.Follow(path, source.LingerFor(10*time.Millisecond), source.IdleFor(300*time.Millisecond))
	events := stage.Map(lines, func(_ context.Context, line string) (e entry, err error) {
		return e, json.Unmarshal([]byte(line), &e)
	})
	for e, err := range events.All(context.Background()) {
		fmt.Println(e.N, err)
		if e.N == 2 {
			_ = os.Rename(path, path+".1")
			write("{\"n\":3}\n")
		}
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

package sink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// What fails goes to a file that says why, and from which it can be run again.
func ExampleDeadLetters() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	failed := filepath.Join(dir, "failed.ndjson")

	numbers := stage.Map(source.Of("1", "two", "3"), stage.Try(strconv.Atoi)).Named("parse")
	sum, err := stage.Run(context.Background(), numbers, sink.Discard[int](), stage.DeadLetter(sink.DeadLetters(failed), 0))
	fmt.Println(sum.Written, sum.DeadLettered, err)
	text, err := os.ReadFile(failed)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(text))

	words := map[string]int{"two": 2}
	again := stage.Map(source.DeadLetters[string](failed), stage.Pure(func(s string) int { return words[s] }))
	fmt.Println(again.Collect(context.Background()))
	// Output:
	// 2 1 <nil>
	// {"stage":"parse","index":1,"record":2,"byte":0,"reason":"strconv.Atoi: parsing \"two\": invalid syntax","input":"two"}
	// [2] <nil>
}

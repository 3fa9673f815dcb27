package sink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// show prints the files below a folder.
func show(dir string) {
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Printf("%s: %q\n", filepath.ToSlash(name), text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
}

// Each file is complete with the record with which it reaches the size.
func ExampleMaxBytes() {
	dir, remove := folder()
	defer remove()
	flights := source.Of(Flight{"ABQ", 14}, Flight{"PHX", -3}, Flight{"LAS", 0})
	_, err := stage.Run(context.Background(), flights, sink.CSV[Flight](filepath.Join(dir, "part.csv"), sink.MaxBytes(25)))
	fmt.Println(err)
	show(dir)
	// Output:
	// <nil>
	// part-00001.csv: "origin,delay\nABQ,14\nPHX,-3\n"
	// part-00002.csv: "origin,delay\nLAS,0\n"
}

func ExamplePartitioned() {
	dir, remove := folder()
	defer remove()
	flights := source.Of(Flight{"LAS", 14}, Flight{"PHX", -3}, Flight{"LAS", 0}, Flight{"../LAS", 7})
	byOrigin := sink.By("origin", func(f Flight) string { return f.Origin })
	_, err := stage.Run(context.Background(), flights, sink.Partitioned(dir, "part.ndjson", sink.NDJSONEncoder[Flight](), byOrigin))
	fmt.Println(err)
	show(dir)
	// Output:
	// <nil>
	// origin=..%2FLAS/part-00001.ndjson: "{\"origin\":\"../LAS\",\"delay\":7}\n"
	// origin=LAS/part-00001.ndjson: "{\"origin\":\"LAS\",\"delay\":14}\n{\"origin\":\"LAS\",\"delay\":0}\n"
	// origin=PHX/part-00001.ndjson: "{\"origin\":\"PHX\",\"delay\":-3}\n"
}

package source_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Flight is a row of a CSV file.
type Flight struct {
	Origin string `csv:"origin"`
	Delay  int    `csv:"delay"`
}

func ExampleCSV() {
	const text = "date,delay,origin\n2001-01-01,14,ABQ\n2001-01-01,late,PHX\n2001-01-02,-3,\"LAX\"\n"
	dir, remove := folder(map[string]string{"flights.csv": text})
	defer remove()

	for f, err := range source.CSV[Flight](filepath.Join(dir, "flights.csv")).All(context.Background()) {
		if bad, ok := errors.AsType[*stage.ItemError](err); ok {
			fmt.Printf("record %d, byte %d: %v\n", bad.At.Record+1, bad.At.Offset, bad.Err)
			continue
		}
		if err != nil {
			fmt.Println(err) // the file itself
			break
		}
		fmt.Println(f.Origin, f.Delay)
	}
	// Output:
	// ABQ 14
	// record 2, byte 36: column "delay": "late" does not fit int
	// LAX -3
}

func ExampleComma() {
	dir, remove := folder(map[string]string{"flights.tsv": "origin\tdelay\nABQ\t14\n"})
	defer remove()

	flights, err := source.CSV[Flight](filepath.Join(dir, "flights.tsv"), source.Comma('\t')).Collect(context.Background())
	fmt.Println(flights, err)
	// Output: [{ABQ 14}] <nil>
}

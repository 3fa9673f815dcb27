package source_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleRecords() {
	const text = "date,delay,origin\n2001-01-01,14,ABQ\n2001-01-02,-3,\"LAX\"\n"
	dir, remove := folder(map[string]string{"flights.csv": text})
	defer remove()

	for r, err := range source.Records(filepath.Join(dir, "flights.csv")).All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(r.Get("origin"), r.At(1), r.Position().Offset)
	}
	// Output:
	// ABQ 14 18
	// LAX -3 36
}

// A group-by in the workers of a pool: each folds the records that it splits.
func ExampleColumns() {
	const text = "date,delay,origin\n2001-01-01,14,ABQ\n2001-01-02,-3,LAX\n2001-01-02,6,ABQ\n"
	dir, remove := folder(map[string]string{"flights.csv": text})
	defer remove()

	flights := source.Records(filepath.Join(dir, "*.csv"), source.Columns("origin", "delay"))
	total, err := pool.Reduce(context.Background(), nil, flights,
		func() map[string]int { return map[string]int{} },
		func(_ context.Context, sum map[string]int, r source.Record) (map[string]int, error) {
			delay, err := strconv.Atoi(r.At(1))
			if err != nil {
				return sum, err
			}
			sum[r.At(0)] += delay
			return sum, nil
		},
		func(a, b map[string]int) (map[string]int, error) {
			for origin, delay := range b {
				a[origin] += delay
			}
			return a, nil
		})
	fmt.Println(total, err)
	// Output: map[ABQ:20 LAX:-3] <nil>
}

func ExampleNull() {
	type reading struct {
		Station string   `csv:"station"`
		Celsius *float64 `csv:"celsius"`
	}
	dir, remove := folder(map[string]string{"in.csv": "# by hand\nnorth;NA\nsouth;21.5\n"})
	defer remove()

	readings := source.CSV[reading](filepath.Join(dir, "in.csv"), source.Comma(';'), source.Comment('#'), source.NoHeader(), source.Null("NA"))
	for r, err := range readings.All(context.Background()) {
		switch {
		case err != nil:
			fmt.Println(err)
		case r.Celsius == nil:
			fmt.Println(r.Station, "unknown")
		default:
			fmt.Println(r.Station, *r.Celsius)
		}
	}
	// Output:
	// north unknown
	// south 21.5
}

// Rows that are too short are filled up; all others that are wrong go elsewhere.
func ExamplePadShort() {
	dir, remove := folder(map[string]string{"in.csv": "a,b,c\n1,2\n1,2,3,4\n1,2,3\n"})
	defer remove()

	for r, err := range source.Records(filepath.Join(dir, "in.csv"), source.PadShort()).All(context.Background()) {
		if bad, ok := err.(*stage.ItemError); ok { //nolint:errorlint // as All yields it
			fmt.Printf("record %d: %v: %v\n", bad.At.Record+1, bad.Err, bad.Input)
			continue
		}
		fmt.Println(r)
	}
	// Output:
	// 1,2,
	// record 2: wrong number of fields: 4, want 3: 1,2,3,4
	// 1,2,3
}

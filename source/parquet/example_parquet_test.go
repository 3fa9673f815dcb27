package parquet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	pq "github.com/parquet-go/parquet-go"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source/parquet"
)

// folder makes a folder with two small files. The caller removes it.
func folder() string {
	type flight struct {
		Origin string `parquet:"origin"`
		Delay  *int64 `parquet:"delay"`
		Miles  int64  `parquet:"miles"`
	}
	late, early := int64(75), int64(-5)
	dir, err := os.MkdirTemp("", "parquet")
	if err == nil {
		err = pq.WriteFile(filepath.Join(dir, "may.parquet"), []flight{{"LAS", &late, 900}, {"SFO", nil, 300}})
	}
	if err == nil {
		err = pq.WriteFile(filepath.Join(dir, "june.parquet"), []flight{{"ABE", &early, 120}, {"LAS", &early, 600}})
	}
	if err != nil {
		panic(err)
	}
	return dir
}

func ExampleSource() {
	dir := folder()
	defer os.RemoveAll(dir)

	type flight struct { // of three columns two are read
		Origin string `parquet:"origin"`
		Delay  *int64 `parquet:"delay"`
	}
	for f, err := range parquet.Source[flight](filepath.Join(dir, "*.parquet")).All(context.Background()) {
		switch {
		case err != nil:
			fmt.Println(err)
		case f.Delay == nil:
			fmt.Println(f.Origin, "not known")
		default:
			fmt.Println(f.Origin, *f.Delay)
		}
	}
	// Output:
	// ABE -5
	// LAS -5
	// LAS 75
	// SFO not known
}

func ExampleBetween() {
	dir := folder()
	defer os.RemoveAll(dir)

	type flight struct {
		Miles int64 `parquet:"miles"`
	}
	near := func(f flight) bool { return f.Miles >= 500 && f.Miles <= 700 }
	flights := parquet.Source[flight](filepath.Join(dir, "*.parquet"), parquet.Between("miles", 500, 700))
	fmt.Println(flights.Filter(near).Collect(context.Background()))
	// Output: [{600}] <nil>
}

// The pages of a file are decoded by the workers of a pool.
func ExampleSource_pool() {
	dir := folder()
	defer os.RemoveAll(dir)

	type flight struct {
		Miles int64 `parquet:"miles"`
	}
	flights := parquet.Source[flight](filepath.Join(dir, "*.parquet"))
	total, err := pool.Reduce(context.Background(), nil, flights,
		func() int64 { return 0 },
		func(_ context.Context, sum int64, f flight) (int64, error) { return sum + f.Miles, nil },
		func(a, b int64) (int64, error) { return a + b, nil })
	fmt.Println(total, err)
	// Output: 1920 <nil>
}

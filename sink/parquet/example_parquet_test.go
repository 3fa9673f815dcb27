package parquet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	reading "github.com/penstock-go/penstock/source/parquet"
	"github.com/penstock-go/penstock/stage"
)

func ExampleSink() {
	dir, err := os.MkdirTemp("", "parquet")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	type flight struct {
		Origin string `parquet:"origin"`
		Delay  *int64 `parquet:"delay"` // nil is null
		Miles  int32  `parquet:"miles"`
	}
	late := int64(75)
	flights := source.Of(flight{"LAS", &late, 900}, flight{"SFO", nil, 300})
	path := filepath.Join(dir, "flights.parquet")
	sum, err := stage.Run(context.Background(), flights, parquet.Sink[flight](path, parquet.RowGroupBytes(32<<20)))
	fmt.Println(sum.Written, err)

	type origin struct {
		Origin string `parquet:"origin"`
	}
	fmt.Println(reading.Source[origin](path).Collect(context.Background()))
	// Output:
	// 2 <nil>
	// [{LAS} {SFO}] <nil>
}

package parquet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleSink_checkpoint() {
	type row struct {
		N int64 `parquet:"n"`
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	summary, err := stage.Run(context.Background(), source.Of(row{1}, row{2}), parquet.Sink[row](filepath.Join(dir, "rows.parquet")),
		stage.Checkpoint(checkpoint.File(filepath.Join(dir, "job")), 0))
	fmt.Println(summary.Written, summary.Guarantee, err)
	// Output: 2 exactly once <nil>
}

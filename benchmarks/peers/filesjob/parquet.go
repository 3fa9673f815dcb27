package main

import (
	"context"
	"time"

	"github.com/penstock-go/penstock/pool"
	parquetsink "github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	parquetsource "github.com/penstock-go/penstock/source/parquet"
	"github.com/penstock-go/penstock/stage"
)

// row is a flight in the Parquet file, with the types that DuckDB finds for it.
type row struct {
	Date        int64  `parquet:"date,timestamp(microsecond)"`
	Delay       int64  `parquet:"delay"`
	Distance    int64  `parquet:"distance"`
	Origin      string `parquet:"origin"`
	Destination string `parquet:"destination"`
}

// csvToParquet writes the flights to a Parquet file.
func csvToParquet(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	flights := source.CSV[flight](t.in[0], source.Paths(t.in[1:]...))
	rows := pool.Imap(p, flights, func(_ context.Context, f flight) (row, error) {
		date, err := time.Parse("2006-01-02 15:04", f.Date)
		if err != nil {
			return row{}, err
		}
		return row{
			Date: date.UnixMicro(), Delay: int64(f.Delay), Distance: int64(f.Distance),
			Origin: f.Origin, Destination: f.Destination,
		}, nil
	})
	_, err := stage.Run(ctx, rows, parquetsink.Sink[row](t.out))
	return err
}

// lookParquet prints what a Parquet file holds.
func lookParquet(ctx context.Context, t task) error {
	var seen sums
	for r, err := range parquetsource.Source[struct {
		Delay    int64 `parquet:"delay"`
		Distance int64 `parquet:"distance"`
	}](t.in[0]).All(ctx) {
		if err != nil {
			return err
		}
		seen.add(int(r.Delay), int(r.Distance))
	}
	return seen.print()
}

// Package parquet writes Apache Parquet files. Reading them is in package
// source/parquet. Both are packages of their own so that a program that needs
// neither does not link github.com/parquet-go/parquet-go.
//
//	type Flight struct {
//		Date  time.Time `parquet:"date,timestamp(microsecond)"`
//		Delay *int64    `parquet:"delay"`
//	}
//
//	sum, err := stage.Run(ctx, flights, parquet.Sink[Flight]("flights.parquet"))
package parquet

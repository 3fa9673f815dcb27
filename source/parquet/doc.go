// Package parquet reads Apache Parquet files. Writing them is in package
// sink/parquet. Both are packages of their own so that a program that needs
// neither does not link github.com/parquet-go/parquet-go.
//
//	type Flight struct {
//		Origin string `parquet:"origin"`
//		Delay  *int64 `parquet:"delay"`
//	}
//
//	flights := parquet.Source[Flight]("flights-*.parquet", parquet.AtLeast("delay", 60))
//	n, err := flights.Filter(func(f Flight) bool { return f.Delay != nil && *f.Delay >= 60 }).Count(ctx)
package parquet

package sink_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Each airport has a file of its own, made at its first flight.
func ExampleRoute() {
	dir, remove := folder()
	defer remove()
	flights := source.Of(Flight{"LAS", 14}, Flight{"PHX", -3}, Flight{"LAS", 0})

	s := sink.Route(func(f Flight) string { return f.Origin }, func(origin string) stage.Sink[Flight] {
		return sink.CSV[Flight](filepath.Join(dir, origin+".csv"))
	})
	sum, err := stage.Run(context.Background(), flights, s)
	fmt.Println(sum.Written, err)
	show(dir)
	// Output:
	// 3 <nil>
	// LAS.csv: "origin,delay\nLAS,14\nLAS,0\n"
	// PHX.csv: "origin,delay\nPHX,-3\n"
}

// One route too many fails the run, which leaves no file.
func ExampleMaxRoutes() {
	dir, remove := folder()
	defer remove()
	flights := source.Of(Flight{"LAS", 14}, Flight{"PHX", -3}, Flight{"ABQ", 0})

	s := sink.Route(func(f Flight) string { return f.Origin }, func(origin string) stage.Sink[Flight] {
		return sink.CSV[Flight](filepath.Join(dir, origin+".csv"))
	}, sink.MaxRoutes(2))
	_, err := stage.Run(context.Background(), flights, s)
	fmt.Println(err, errors.Is(err, sink.ErrTooManyRoutes))
	show(dir)
	// Output:
	// sink: Route: item 2: route "ABQ": too many routes: more than MaxRoutes(2) true
}

// Everything goes to two files of different formats.
func ExampleMulti() {
	dir, remove := folder()
	defer remove()
	flights := source.Of(Flight{"LAS", 14}, Flight{"PHX", -3})

	s := sink.Multi(sink.CSV[Flight](filepath.Join(dir, "flights.csv")), sink.NDJSON[Flight](filepath.Join(dir, "flights.ndjson")))
	sum, err := stage.Run(context.Background(), flights, s)
	fmt.Println(sum.Written, err)
	show(dir)
	// Output:
	// 2 <nil>
	// flights.csv: "origin,delay\nLAS,14\nPHX,-3\n"
	// flights.ndjson: "{\"origin\":\"LAS\",\"delay\":14}\n{\"origin\":\"PHX\",\"delay\":-3}\n"
}

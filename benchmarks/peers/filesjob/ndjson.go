package main

import (
	"context"
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// late is more minutes than a flight may have to be left out.
const late = 60

// ndjsonFilter writes two fields of the late flights, found without decoding the
// rest.
func ndjsonFilter(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	lines := source.JSONLines(t.in[0], source.Paths(t.in[1:]...))
	delayed := pool.FilterMap(p, lines, func(_ context.Context, line json.RawMessage) ([]byte, bool, error) {
		delay := gjson.GetBytes(line, "delay")
		if delay.Int() <= late {
			return nil, false, nil
		}
		origin := gjson.GetBytes(line, "origin")
		out := make([]byte, 0, 40)
		out = append(append(out, `{"origin":`...), origin.Raw...)
		out = append(append(out, `,"delay":`...), delay.Raw...)
		return append(out, '}'), true, nil
	})
	_, err := stage.Run(ctx, delayed, sink.Encoded(t.out, sink.LinesEncoder[[]byte]()))
	return err
}

// departure is what is asked of a flight.
type departure struct {
	Origin string `json:"origin"`
	Delay  int    `json:"delay"`
}

// ndjsonStruct does the same through structs.
func ndjsonStruct(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	flights := source.NDJSON[departure](t.in[0], source.Paths(t.in[1:]...))
	delayed := pool.FilterMap(p, flights, func(_ context.Context, d departure) (departure, bool, error) {
		return d, d.Delay > late, nil
	})
	_, err := stage.Run(ctx, delayed, sink.NDJSON[departure](t.out))
	return err
}

package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jszwec/csvutil"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// flight is a row of the file.
type flight struct {
	Date        string `csv:"date"`
	Delay       int    `csv:"delay"`
	Distance    int    `csv:"distance"`
	Origin      string `csv:"origin"`
	Destination string `csv:"destination"`
}

// sums are what a job must have seen of all rows.
type sums struct{ rows, delay, distance int }

func (s *sums) add(delay, distance int) {
	s.rows++
	s.delay += delay
	s.distance += distance
}

func (s *sums) print() error {
	return printLines(fmt.Sprintf("%d,%d,%d", s.rows, s.delay, s.distance))
}

// same is the function of a pool stage that only lets its workers decode.
func same[T any](_ context.Context, v T) (T, error) { return v, nil }

// csvStruct decodes every row into a struct, in order.
func csvStruct(ctx context.Context, t task) error {
	p := pool.New(workers)
	defer p.Close()
	var seen sums
	flights := pool.Imap(p, source.CSV[flight](t.in[0], source.Paths(t.in[1:]...)), same[flight]).
		Tap(func(f flight) { seen.add(f.Delay, f.Distance) })
	if _, err := stage.Run(ctx, flights, sink.Discard[flight]()); err != nil {
		return err
	}
	return seen.print()
}

// csvStructByHand is the same with csvutil in one goroutine.
func csvStructByHand(_ context.Context, t task) (err error) {
	file, err := os.Open(t.in[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	decoder, err := flightDecoder(file)
	if err != nil {
		return err
	}
	var seen sums
	for {
		var f flight
		err := decoder.Decode(&f)
		if errors.Is(err, io.EOF) {
			return seen.print()
		}
		if err != nil {
			return err
		}
		seen.add(f.Delay, f.Distance)
	}
}

func flightDecoder(r io.Reader) (*csvutil.Decoder, error) {
	rows := csv.NewReader(bufio.NewReaderSize(r, 1<<20))
	rows.ReuseRecord = true
	return csvutil.NewDecoder(rows)
}

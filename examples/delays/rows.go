package main

import (
	"context"
	"fmt"
	"time"
)

// Row is a line of the flights' file.
type Row struct {
	Date   string `csv:"date"`
	Delay  int    `csv:"delay"`
	Origin string `csv:"origin"`
}

// Flight is a row that keeps to the rules.
type Flight struct {
	Date   time.Time // of the departure, local time
	Delay  int       // minutes
	Origin string
}

// check makes a flight of a row.
func check(_ context.Context, r Row) (Flight, error) {
	date, err := time.Parse("2006-01-02 15:04", r.Date)
	if err != nil {
		return Flight{}, fmt.Errorf("date: %.20q, want it as in 2006-01-02 15:04", r.Date)
	}
	if len(r.Origin) != 3 {
		return Flight{}, fmt.Errorf("origin: %.20q, want three letters", r.Origin)
	}
	return Flight{Date: date, Delay: r.Delay, Origin: r.Origin}, nil
}

// Airport is a line of the airports' file.
type Airport struct {
	Code  string `csv:"iata"`
	Name  string `csv:"name"`
	City  string `csv:"city"`
	State string `csv:"state"`
}

// check says what is wrong with an airport. Its state becomes the name of a file.
func (a Airport) check() error {
	if a.State == "" {
		return fmt.Errorf("%s: no state", a.Code)
	}
	for _, r := range a.State {
		if r < 'A' || r > 'Z' {
			return fmt.Errorf("%s: state %.20q, want letters", a.Code, a.State)
		}
	}
	return nil
}

// Hour is a window of an airport, a row of the Parquet files.
type Hour struct {
	Start     time.Time `parquet:"start,timestamp(millisecond)"` // local time
	Airport   string    `parquet:"airport"`
	Name      string    `parquet:"name"`
	City      string    `parquet:"city"`
	State     string    `parquet:"state"`
	Flights   int64     `parquet:"flights"`
	MeanDelay float64   `parquet:"mean_delay"` // minutes, as are the next two
	MinDelay  int32     `parquet:"min_delay"`
	MaxDelay  int32     `parquet:"max_delay"`
}

func hourOf(w window, a Airport) Hour {
	return Hour{
		Start: w.Start, Airport: w.Key, Name: a.Name, City: a.City, State: a.State,
		Flights: w.Value.Count(), MeanDelay: w.Value.Mean(), MinDelay: int32(w.Value.Min()), MaxDelay: int32(w.Value.Max()),
	}
}

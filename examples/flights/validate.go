package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Row is a line of the file. What does not fit a field's type never gets here:
// the source makes it an error of that row.
type Row struct {
	Date        string `csv:"date"`     // departure, local time of the airport
	Delay       int    `csv:"delay"`    // minutes late at arrival; below zero: early
	Distance    int    `csv:"distance"` // statute miles
	Origin      string `csv:"origin"`
	Destination string `csv:"destination"`
}

// String is the row as a line of the file.
func (r Row) String() string {
	return fmt.Sprintf("%s,%d,%d,%s,%s", r.Date, r.Delay, r.Distance, r.Origin, r.Destination)
}

// Flight is a row that keeps to the rules, with what follows from it. It is also
// a row of the table.
type Flight struct {
	Date        string `db:"date"`
	Delay       int    `db:"delay"`
	Distance    int    `db:"distance"`
	Origin      string `db:"origin"`
	Destination string `db:"destination"`
	Haul        string `db:"haul"`        // short, medium or long
	Punctuality string `db:"punctuality"` // early, on time, late or very late
}

const (
	dateLayout = "2006-01-02 15:04"

	minDelay, maxDelay       = -120, 24 * 60 // minutes
	minDistance, maxDistance = 1, 6000       // miles; Boston to Honolulu is 5095
)

// The first month for which airlines reported.
var firstDate = time.Date(1987, time.October, 1, 0, 0, 0, 0, time.UTC)

// rules are what a row must keep to.
type rules struct {
	before time.Time // dates
}

// rulesOf are the rules at a time: a flight that is reported has departed. A day
// more makes up for time zones.
func rulesOf(now time.Time) rules { return rules{before: now.UTC().Add(24 * time.Hour)} }

// check makes a flight of a row, or says which rule it breaks.
func (r rules) check(_ context.Context, row Row) (Flight, error) {
	if err := r.date(row.Date); err != nil {
		return Flight{}, err
	}
	switch {
	case row.Delay < minDelay || row.Delay > maxDelay:
		return Flight{}, fmt.Errorf("delay: %d minutes, want %d to %d", row.Delay, minDelay, maxDelay)
	case row.Distance < minDistance || row.Distance > maxDistance:
		return Flight{}, fmt.Errorf("distance: %d miles, want %d to %d", row.Distance, minDistance, maxDistance)
	case !airport(row.Origin):
		return Flight{}, fmt.Errorf("origin: %.20q is no airport code (three capital letters)", row.Origin)
	case !airport(row.Destination):
		return Flight{}, fmt.Errorf("destination: %.20q is no airport code (three capital letters)", row.Destination)
	case row.Origin == row.Destination:
		return Flight{}, fmt.Errorf("destination: %s is the origin too", row.Destination)
	}
	return Flight{
		Date: row.Date, Delay: row.Delay, Distance: row.Distance, Origin: row.Origin, Destination: row.Destination,
		Haul: haul(row.Distance), Punctuality: punctuality(row.Delay),
	}, nil
}

var errNoDate = errors.New("want year-month-day hour:minute")

func (r rules) date(s string) error {
	date, err := time.Parse(dateLayout, s)
	switch {
	case err != nil || len(s) != len(dateLayout): // Parse takes 7:30 for 07:30
		return fmt.Errorf("date: %.20q, %w", s, errNoDate)
	case date.Before(firstDate):
		return fmt.Errorf("date: %s is before %s, when reporting began", s, firstDate.Format("January 2006"))
	case !date.Before(r.before):
		return fmt.Errorf("date: %s has not come yet", s)
	}
	return nil
}

// airport tells an IATA code by its form.
func airport(s string) bool {
	return len(s) == 3 && upper(s[0]) && upper(s[1]) && upper(s[2])
}

func upper(b byte) bool { return 'A' <= b && b <= 'Z' }

// haul is the class of a distance.
func haul(miles int) string {
	switch {
	case miles < 500:
		return "short"
	case miles < 1500:
		return "medium"
	default:
		return "long"
	}
}

// punctuality is the bucket of a delay. A flight is on time, as the Department of
// Transportation counts, if it is less than 15 minutes late.
func punctuality(minutes int) string {
	switch {
	case minutes < 0:
		return "early"
	case minutes < 15:
		return "on time"
	case minutes < 60:
		return "late"
	default:
		return "very late"
	}
}

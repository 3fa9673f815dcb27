package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is a line of the file, as it is: what is wrong with a number is ours to
// say.
type Row struct {
	Airport    string `csv:"Airport Name"`
	Aircraft   string `csv:"Aircraft Make Model"`
	Damage     string `csv:"Effect Amount of damage"`
	Date       string `csv:"Flight Date"`
	Operator   string `csv:"Aircraft Airline Operator"`
	State      string `csv:"Origin State"`
	Phase      string `csv:"Phase of flight"`
	Size       string `csv:"Wildlife Size"`
	Species    string `csv:"Wildlife Species"`
	TimeOfDay  string `csv:"Time of day"`
	CostOther  string `csv:"Cost Other"`
	CostRepair string `csv:"Cost Repair"`
	CostTotal  string `csv:"Cost Total $"`
	Speed      string `csv:"Speed IAS in knots"`
}

// String is the row as a line of CSV.
func (r Row) String() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write([]string{
		r.Airport, r.Aircraft, r.Damage, r.Date, r.Operator, r.State, r.Phase, r.Size,
		r.Species, r.TimeOfDay, r.CostOther, r.CostRepair, r.CostTotal, r.Speed,
	}) // a Builder does not fail
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// Strike is a row that keeps to the rules. It is also a row of the Parquet file,
// where a pointer is a column with nulls.
type Strike struct {
	Date       time.Time `parquet:"date,timestamp(millisecond)"` // midnight UTC
	Airport    string    `parquet:"airport"`
	State      string    `parquet:"state"`
	Operator   *string   `parquet:"operator"` // null: not known
	Aircraft   string    `parquet:"aircraft"`
	Phase      string    `parquet:"phase"`
	TimeOfDay  string    `parquet:"time_of_day"`
	Size       string    `parquet:"size"`    // of the animal
	Species    *string   `parquet:"species"` // null: not known
	Damage     string    `parquet:"damage"`
	CostOther  int64     `parquet:"cost_other"` // US dollars, as are the next two
	CostRepair int64     `parquet:"cost_repair"`
	CostTotal  int64     `parquet:"cost_total"`
	Speed      *int64    `parquet:"speed"` // knots, indicated; null: not known
}

// The values that columns may have.
var (
	phases  = []string{"Parked", "Taxi", "Take-off run", "Climb", "Descent", "Approach", "Landing Roll"}
	damages = []string{"None", "Minor", "Medium", "Substantial"}
	sizes   = []string{"Small", "Medium", "Large"}
	times   = []string{"Dawn", "Day", "Dusk", "Night"}
)

const (
	dateLayout = "2006-01-02"
	maxSpeed   = 500 // knots; below 10,000 feet, where birds are, 250 are allowed
	maxTaxi    = 60
)

// The first day that the database goes back to.
var firstDate = time.Date(1990, time.January, 1, 0, 0, 0, 0, time.UTC)

// rules are what a row must keep to.
type rules struct {
	before time.Time // dates
}

// rulesOf are the rules at a time: what is reported has happened. A day more makes
// up for time zones.
func rulesOf(now time.Time) rules { return rules{before: now.UTC().Add(24 * time.Hour)} }

// check makes a strike of a row, or says which rule it breaks: the first one, in
// the order of this function.
func (r rules) check(_ context.Context, row Row) (s Strike, err error) {
	if s.Date, err = r.date(strings.TrimSpace(row.Date)); err != nil {
		return Strike{}, err
	}
	// A star at an operator's name is a footnote that got lost.
	s.Operator = known(strings.TrimRight(spaced(row.Operator), "*"), "UNKNOWN")
	s.Species = known(spaced(row.Species), "Unknown bird") // of some size, or a bat
	for _, text := range []struct {
		column, value string
		to            *string
		of            []string // nil: anything
	}{
		{"airport", row.Airport, &s.Airport, nil},
		{"state", row.State, &s.State, nil},
		{"aircraft", row.Aircraft, &s.Aircraft, nil},
		{"phase", row.Phase, &s.Phase, phases},
		{"time of day", row.TimeOfDay, &s.TimeOfDay, times},
		{"size", row.Size, &s.Size, sizes},
		{"damage", row.Damage, &s.Damage, damages},
	} {
		*text.to = spaced(text.value)
		switch {
		case *text.to == "":
			return Strike{}, fmt.Errorf("%s: is empty", text.column)
		case text.of != nil && !slices.Contains(text.of, *text.to):
			return Strike{}, fmt.Errorf("%s: %.20q, want one of %s", text.column, *text.to, strings.Join(text.of, ", "))
		}
	}
	for _, cost := range []struct {
		column, value string
		to            *int64
	}{
		{"cost other", row.CostOther, &s.CostOther},
		{"cost repair", row.CostRepair, &s.CostRepair},
		{"cost total", row.CostTotal, &s.CostTotal},
	} {
		if *cost.to, err = number(cost.value); err != nil {
			return Strike{}, fmt.Errorf("%s: %w", cost.column, err)
		}
	}
	if strings.TrimSpace(row.Speed) != "" {
		speed, err := number(row.Speed)
		if err != nil {
			return Strike{}, fmt.Errorf("speed: %w", err)
		}
		s.Speed = &speed
	}
	if err := s.plausible(); err != nil {
		return Strike{}, err
	}
	return s, nil
}

// plausible holds the columns against each other.
func (s *Strike) plausible() error {
	switch {
	case s.CostOther+s.CostRepair != s.CostTotal:
		return fmt.Errorf("cost total: $%d, but other and repair are $%d", s.CostTotal, s.CostOther+s.CostRepair)
	case s.Damage == "None" && s.CostRepair > 0:
		return fmt.Errorf("cost repair: $%d, but there was no damage", s.CostRepair)
	case s.Speed == nil:
		return nil
	}
	switch speed := *s.Speed; s.Phase {
	case "Climb", "Descent", "Approach":
		if speed == 0 {
			return fmt.Errorf("speed: 0 knots in flight (%s)", s.Phase)
		}
	case "Parked", "Taxi":
		if speed > maxTaxi {
			return fmt.Errorf("speed: %d knots on the ground (%s), want at most %d", speed, s.Phase, maxTaxi)
		}
	}
	if *s.Speed > maxSpeed {
		return fmt.Errorf("speed: %d knots, want at most %d", *s.Speed, maxSpeed)
	}
	return nil
}

var errNoDate = errors.New("want year-month-day")

func (r rules) date(s string) (time.Time, error) {
	date, err := time.Parse(dateLayout, s)
	switch {
	case err != nil:
		return date, fmt.Errorf("date: %.20q, %w", s, errNoDate)
	case date.Before(firstDate):
		return date, fmt.Errorf("date: %s is before %s", s, firstDate.Format(dateLayout))
	case !date.Before(r.before):
		return date, fmt.Errorf("date: %s has not come yet", s)
	}
	return date, nil
}

// spaced is a text without white space around it, and with single spaces in it.
func spaced(s string) string {
	if strings.TrimSpace(s) == s && !strings.Contains(s, "  ") {
		return s // nearly always, and without a copy
	}
	return strings.Join(strings.Fields(s), " ")
}

// known is nil for a text that is empty or begins as those do that say that
// nobody knows.
func known(s, unknown string) *string {
	if s == "" || strings.HasPrefix(s, unknown) {
		return nil
	}
	return &s
}

var errNoNumber = errors.New("want a whole number from 0, with a comma before every three digits or none")

// maxNumber keeps sums of numbers far from overflow.
const maxNumber = 1_000_000_000_000

// number reads 12345 and 12,345.
func number(s string) (int64, error) {
	s = strings.TrimSpace(s)
	digits := s
	if groups := strings.Split(s, ","); len(groups) > 1 {
		if len(groups[0]) < 1 || len(groups[0]) > 3 || slices.ContainsFunc(groups[1:], func(g string) bool { return len(g) != 3 }) {
			return 0, fmt.Errorf("%.20q, %w", s, errNoNumber)
		}
		digits = strings.Join(groups, "")
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > maxNumber:
		return 0, fmt.Errorf("%.20q, want at most %d", s, int64(maxNumber))
	case err != nil:
		return 0, fmt.Errorf("%.20q, %w", s, errNoNumber)
	}
	return int64(n), nil
}

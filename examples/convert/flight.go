package main

import (
	"fmt"
	"time"
)

// Flight is a record, in every format: its tags say how each names the fields.
type Flight struct {
	Date        Date   `csv:"date"        json:"date"        parquet:"date,timestamp(microsecond)"`
	Delay       int64  `csv:"delay"       json:"delay"       parquet:"delay"`    // minutes
	Distance    int64  `csv:"distance"    json:"distance"    parquet:"distance"` // miles
	Origin      string `csv:"origin"      json:"origin"      parquet:"origin"`
	Destination string `csv:"destination" json:"destination" parquet:"destination"`
}

// Date is a local time, in microseconds since 1970. Parquet holds it as a
// timestamp, the text formats as 2001-01-31 05:00, with seconds and a fraction
// only if it has them: so each date has one form, and no format loses any of it.
type Date int64

const (
	minutes  = "2006-01-02 15:04"
	seconds  = "2006-01-02 15:04:05"
	fraction = "2006-01-02 15:04:05.999999"
)

// MarshalText implements encoding.TextMarshaler: CSV and JSON call it.
func (d Date) MarshalText() ([]byte, error) {
	t := time.UnixMicro(int64(d)).UTC()
	layout := fraction
	switch {
	case t.Year() < 0 || t.Year() > 9999:
		return nil, fmt.Errorf("date: the year is %d, want 0 to 9999", t.Year())
	case t.Nanosecond() == 0 && t.Second() == 0:
		layout = minutes
	}
	return t.AppendFormat(make([]byte, 0, len(fraction)), layout), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It takes no more digits of a
// second than it can keep.
func (d *Date) UnmarshalText(text []byte) error {
	if t, ok := quick(text); ok {
		*d = t
		return nil
	}
	s := string(text)
	layout := seconds // which takes a fraction, too
	if len(s) == len(minutes) {
		layout = minutes
	}
	t, err := time.Parse(layout, s)
	if err != nil || len(s) > len(fraction) {
		return fmt.Errorf("date: %q, want year-month-day hour:minute, perhaps :second.fraction of up to 6 digits", s)
	}
	*d = Date(t.UnixMicro())
	return nil
}

// quick is the common form without the work of a layout, which is a sixth of the
// time that CSV to Parquet takes. What it does not take is left to package time.
func quick(s []byte) (d Date, ok bool) {
	if len(s) != len(minutes) || s[4] != '-' || s[7] != '-' || s[10] != ' ' || s[13] != ':' {
		return 0, false
	}
	ok = true
	number := func(from, to int) (n int) {
		for _, c := range s[from:to] {
			ok = ok && '0' <= c && c <= '9'
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day, hour, minute := number(0, 4), number(5, 7), number(8, 10), number(11, 13), number(14, 16)
	ok = ok && month >= 1 && month <= 12 && day >= 1 && day <= 28 && hour < 24 && minute < 60 // 28: in every month
	return Date(time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC).UnixMicro()), ok
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/source/parquet"
)

const (
	airports = "iata,name,city,state\nSFO,San Francisco International,San Francisco,CA\n" +
		"LAX,\"Los Angeles, International\",Los Angeles,CA\nLAS,McCarran,Las Vegas,NV\n"
	flights = "date,delay,distance,origin,destination\n" +
		"2001-01-01 10:05,10,1,SFO,LAX\n" +
		"2001-01-01 10:10,20,1,LAS,LAX\n" +
		"2001-01-01 10:55,-4,1,SFO,LAX\n" +
		"2001-01-01 11:00,7,1,SFO,LAX\n" +
		"2001-01-01 12:30,1,1,LAX,SFO\n"
)

// rowsOf reads a file back.
func rowsOf(t *testing.T, path string) []Hour {
	t.Helper()
	rows, err := parquet.Source[Hour](path).Collect(t.Context())
	require.NoError(t, err)
	for i := range rows {
		rows[i].Start = rows[i].Start.UTC()
	}
	return rows
}

func TestEachStateHasAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "airports.csv", airports)
	write(t, "flights.csv", flights)
	code, stdout, stderr := runCommand("-airports", "airports.csv", "-out", "out", "flights.csv")
	require.Equal(t, command.OK, code, stderr)
	at := func(hour int) time.Time { return time.Date(2001, 1, 1, hour, 0, 0, 0, time.UTC) }
	assert.Equal(t, []Hour{
		{at(10), "SFO", "San Francisco International", "San Francisco", "CA", 2, 3, -4, 10},
		{at(11), "SFO", "San Francisco International", "San Francisco", "CA", 1, 7, 7, 7},
		{at(12), "LAX", "Los Angeles, International", "Los Angeles", "CA", 1, 1, 1, 1},
	}, rowsOf(t, "out/CA.parquet"))
	assert.Equal(t, []Hour{{at(10), "LAS", "McCarran", "Las Vegas", "NV", 1, 20, 20, 20}}, rowsOf(t, "out/NV.parquet"))
	left, err := os.ReadDir("out")
	require.NoError(t, err)
	assert.Len(t, left, 2)
	assert.Equal(t, `Worst windows                                   flights  mean delay
2001-01-01 10:00  SFO San Francisco, CA               2     3.0 min
2001-01-01 10:00  LAS Las Vegas, NV                   1    20.0 min
2001-01-01 11:00  SFO San Francisco, CA               1     7.0 min
2001-01-01 12:00  LAX Los Angeles, CA                 1     1.0 min

Largest files              rows
CA.parquet                    3
NV.parquet                    1

Flights         5
Windows         4 in 2 files, in out
T s
`, stdout)
}

// What is wrong fails the run, is named, and leaves the old files as they were.
func TestFailureKeepsTheOld(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "airports.csv", airports)
	write(t, "flights.csv", flights)
	code, _, stderr := runCommand("-airports", "airports.csv", "-out", "out", "flights.csv")
	require.Equal(t, command.OK, code, stderr)
	before, err := os.ReadFile(filepath.Join("out", "CA.parquet"))
	require.NoError(t, err)
	for name, test := range map[string]struct{ flights, airports, want string }{
		"date":        {flights: flights + "yesterday,1,1,SFO,LAX\n", want: `flights.csv: record 6, byte 187: date: "yesterday"`},
		"origin":      {flights: flights + "2001-01-01 12:31,1,1,SFOX,LAX\n", want: `origin: "SFOX", want three letters`},
		"number":      {flights: flights + "2001-01-01 12:31,x,1,SFO,LAX\n", want: `flights.csv: record 6, byte 187: column "delay": "x" does not fit int`},
		"late":        {flights: flights + "2001-01-01 09:00,1,1,SFO,LAX\n", want: "late"},
		"no airport":  {flights: flights + "2001-01-01 12:31,1,1,XXX,LAX\n", want: "XXX: is not among the airports"},
		"bad state":   {airports: "iata,name,city,state\nSFO,a,b,../x\n", want: `airports: SFO: state "../x", want letters`},
		"no state":    {airports: "iata,name,city,state\nSFO,a,b,\n", want: "airports: SFO: no state"},
		"no airports": {airports: "iata\n", want: `airports2.csv: header: missing columns "name", "city", "state"`},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, "airports2.csv", airports)
			write(t, "flights.csv", flights)
			if test.airports != "" {
				write(t, "airports2.csv", test.airports)
			}
			if test.flights != "" {
				write(t, "flights.csv", test.flights)
			}
			code, stdout, stderr := runCommand("-airports", "airports2.csv", "-out", "out", "flights.csv")
			require.Equal(t, command.Failed, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, test.want)
			after, err := os.ReadFile(filepath.Join("out", "CA.parquet"))
			require.NoError(t, err)
			assert.Equal(t, before, after)
			left, err := os.ReadDir("out")
			require.NoError(t, err)
			assert.Len(t, left, 2, "something is left behind")
		})
	}
}

// A row that comes earlier than the one before it is late, unless it may be.
func TestDisorder(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "airports.csv", airports)
	write(t, "flights.csv", flights+"2001-01-01 11:20,9,1,SFO,LAX\n")
	code, _, stderr := runCommand("-airports", "airports.csv", "-out", "out", "-disorder", "2h", "flights.csv")
	require.Equal(t, command.OK, code, stderr)
	assert.EqualValues(t, 2, rowsOf(t, "out/CA.parquet")[1].Flights)
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-out", ""}, "-out is empty"},
		{[]string{"-window", "1s"}, "-window is 1s"},
		{[]string{"-disorder", "-1s"}, "-disorder is -1s"},
		{[]string{"-workers", "-1"}, "-workers is -1"},
		{[]string{""}, "a file's name is empty"},
		{[]string{"-nope"}, "not defined"},
	} {
		code, _, stderr := runCommand(test.args...)
		assert.Equal(t, command.Usage, code)
		assert.Contains(t, stderr, test.want)
	}
	code, _, stderr := runCommand("-h")
	assert.Equal(t, command.OK, code)
	assert.Contains(t, stderr, "Usage: delays")
}

// The real month: every flight is in a window, every window in a file.
func TestJanuary(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCommand()
	require.Equal(t, command.OK, code, stderr)
	assert.Contains(t, stdout, "\nFlights    508239\n")
	files, err := filepath.Glob("delays-by-state/*.parquet")
	require.NoError(t, err)
	assert.Len(t, files, 51)
	var total int64
	for _, f := range files {
		for _, h := range rowsOf(t, f) {
			total += h.Flights
			require.Equal(t, h.State+".parquet", filepath.Base(f))
		}
	}
	assert.EqualValues(t, 508239, total)
}

package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/examples/internal/letters"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "FLIGHTS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := command.Program{Name: "flights", Stdout: os.Stdout, Stderr: os.Stderr, Every: 5 * time.Millisecond}
		os.Exit(run(&c, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

const header = "date,delay,distance,origin,destination\n"

// goodRows are n lines that keep to the rules.
func goodRows(n int) []string {
	codes := []string{"SFO", "LAX", "JFK", "HNL", "ORD"}
	start := time.Date(2001, time.January, 1, 5, 0, 0, 0, time.UTC)
	lines := make([]string, n)
	for i := range lines {
		from := i * i % len(codes)
		lines[i] = fmt.Sprintf("%s,%d,%d,%s,%s", start.Add(time.Duration(i)*time.Minute).Format(dateLayout),
			i*7%200-50, 100+i*37%4000, codes[from], codes[(from+1+i%3)%len(codes)])
	}
	return lines
}

// badRow is a line that breaks a rule, and what is said of it.
type badRow struct{ line, reason string }

func badRows() []badRow {
	tomorrow := time.Now().UTC().Add(48 * time.Hour).Format(dateLayout)
	return []badRow{
		{"2001-01-01 07:00,1,337,SFO", "wrong number of fields: 4, want 5"},
		{"2001-01-01 07:00,1,337,SFO,LAX,", "wrong number of fields: 6, want 5"},
		{`2001-01-01 07:00,1,337,S"O,LAX`, `bare " in non-quoted-field`},
		{"2001-01-01 07:00,late,337,SFO,LAX", `column "delay": "late" does not fit int`},
		{"2001-01-01 07:00,,337,SFO,LAX", `column "delay": "" does not fit int`},
		{"2001-01-01 07:00,1.5,337,SFO,LAX", `column "delay": "1.5" does not fit int`},
		{"2001-01-01 07:00,1,99999999999999999999,SFO,LAX", `column "distance": "99999999999999999999" does not fit int`},
		{",1,337,SFO,LAX", `date: "", want year-month-day hour:minute`},
		{"2001-02-29 07:00,1,337,SFO,LAX", `date: "2001-02-29 07:00", want year-month-day hour:minute`},
		{"2001-01-01 7:00,1,337,SFO,LAX", `date: "2001-01-01 7:00", want year-month-day hour:minute`},
		{"2001-01-01 07:00:00,1,337,SFO,LAX", `date: "2001-01-01 07:00:00", want year-month-day hour:minute`},
		{"1987-09-30 23:59,1,337,SFO,LAX", "date: 1987-09-30 23:59 is before October 1987, when reporting began"},
		{tomorrow + ",1,337,SFO,LAX", "date: " + tomorrow + " has not come yet"},
		{"2001-01-01 07:00,-121,337,SFO,LAX", "delay: -121 minutes, want -120 to 1440"},
		{"2001-01-01 07:00,1441,337,SFO,LAX", "delay: 1441 minutes, want -120 to 1440"},
		{"2001-01-01 07:00,1,0,SFO,LAX", "distance: 0 miles, want 1 to 6000"},
		{"2001-01-01 07:00,1,6001,SFO,LAX", "distance: 6001 miles, want 1 to 6000"},
		{"2001-01-01 07:00,1,337,sfo,LAX", `origin: "sfo" is no airport code (three capital letters)`},
		{"2001-01-01 07:00,1,337,SFO,KLAX", `destination: "KLAX" is no airport code (three capital letters)`},
		{"2001-01-01 07:00,1,337,SFO,", `destination: "" is no airport code (three capital letters)`},
		{"2001-01-01 07:00,1,337,SFO,SFO", "destination: SFO is the origin too"},
	}
}

// mixed are good rows with each of the bad ones somewhere among them.
type mixed struct {
	good, lines []string
	rejects     []letters.Rejected // what becomes of the bad ones
}

func mix(file string, n int) (m mixed) {
	m.good = goodRows(n)
	bad := badRows()
	at := int64(len(header))
	add := func(line string) {
		m.lines = append(m.lines, line)
		at += int64(len(line)) + 1
	}
	for i, line := range m.good {
		if k := len(m.rejects); k < len(bad) && i == k*n/len(bad) {
			m.rejects = append(m.rejects, letters.Rejected{
				File: file, Line: int64(len(m.lines)) + 2, Byte: at, Reason: bad[k].reason, Row: bad[k].line,
			})
			add(bad[k].line)
		}
		add(line)
	}
	return m
}

// write makes a file of lines under the header.
func write(t *testing.T, path string, lines []string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(header+strings.Join(lines, "\n")+"\n"), 0o600))
}

// stored are the rows of the table, in the order in which they were written.
func stored(t *testing.T, path string) []Flight {
	t.Helper()
	db := openSQL(t, path)
	rows, err := db.QueryContext(t.Context(),
		"SELECT date, delay, distance, origin, destination, haul, punctuality FROM flights ORDER BY rowid")
	require.NoError(t, err)
	defer func() { assert.NoError(t, rows.Close()) }()
	var all []Flight
	for rows.Next() {
		var f Flight
		require.NoError(t, rows.Scan(&f.Date, &f.Delay, &f.Distance, &f.Origin, &f.Destination, &f.Haul, &f.Punctuality))
		all = append(all, f)
	}
	require.NoError(t, rows.Err())
	return all
}

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	require.FileExists(t, path)
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	db, err := sql.Open("sqlite", uri(path, nil))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// lineOf is the line that a flight was made of.
func lineOf(f Flight) string {
	return fmt.Sprintf("%s,%d,%d,%s,%s", f.Date, f.Delay, f.Distance, f.Origin, f.Destination)
}

func linesOf(flights []Flight) []string {
	lines := make([]string, len(flights))
	for i, f := range flights {
		lines[i] = lineOf(f)
	}
	return lines
}

// letterFile are the lines of a dead-letter file.
func letterFile(t *testing.T, path string) []letters.Rejected {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var all []letters.Rejected
	for line := range strings.Lines(string(data)) {
		var r letters.Rejected
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		all = append(all, r)
	}
	return all
}

// files are the names in a folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// load runs a job that must go well.
func load(t *testing.T, j job) result {
	t.Helper()
	res, err := j.run(t.Context(), func(Flight) {})
	require.NoError(t, err)
	require.True(t, res.swapped)
	require.Equal(t, res.Read, res.Written+res.filtered+res.DeadLettered)
	return res
}

// small is a job that has run: a folder with its input, its database and its
// dead letters.
func small(t *testing.T) (folder string, j job, before []Flight) {
	t.Helper()
	folder = t.TempDir()
	in := filepath.Join(folder, "in.csv")
	write(t, in, append(goodRows(20), "not a row"))
	j = job{in: []string{in}, out: filepath.Join(folder, "flights.db"), minDelay: minDelay}
	load(t, j)
	return folder, j, stored(t, j.out)
}

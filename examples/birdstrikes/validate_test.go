package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

// Each rule costs the row that breaks it, and says why.
func TestEveryRule(t *testing.T) {
	tomorrow := time.Now().UTC().Add(48 * time.Hour).Format(dateLayout)
	folder := t.TempDir()
	in, out := filepath.Join(folder, "in.csv"), filepath.Join(folder, "out.parquet")
	var lines []string
	var want []letters.Rejected
	at := int64(len(header))
	add := func(line string) {
		lines = append(lines, line)
		at += int64(len(line)) + 1
	}
	for _, bad := range []struct{ line, reason string }{
		{"a,b", "wrong number of fields: 2, want 14"},
		{good + ",", "wrong number of fields: 15, want 14"},
		{changed(map[int]string{0: `S"O`}), `bare " in non-quoted-field`},
		{changed(map[int]string{0: `" "`}), "airport: is empty"},
		{changed(map[int]string{1: ""}), "aircraft: is empty"},
		{changed(map[int]string{5: ""}), "state: is empty"},
		{changed(map[int]string{2: "C"}), `damage: "C", want one of None, Minor, Medium, Substantial`},
		{changed(map[int]string{2: ""}), "damage: is empty"},
		{changed(map[int]string{6: "climb"}), `phase: "climb", want one of Parked, Taxi, Take-off run, Climb, Descent, Approach, Landing Roll`},
		{changed(map[int]string{7: "Huge"}), `size: "Huge", want one of Small, Medium, Large`},
		{changed(map[int]string{9: "Noon"}), `time of day: "Noon", want one of Dawn, Day, Dusk, Night`},
		{changed(map[int]string{3: ""}), `date: "", want year-month-day`},
		{changed(map[int]string{3: "1990-02-30"}), `date: "1990-02-30", want year-month-day`},
		{changed(map[int]string{3: "1/11/1990"}), `date: "1/11/1990", want year-month-day`},
		{changed(map[int]string{3: "1989-12-31"}), "date: 1989-12-31 is before 1990-01-01"},
		{changed(map[int]string{3: tomorrow}), "date: " + tomorrow + " has not come yet"},
		{changed(map[int]string{10: ""}), `cost other: "", ` + errNoNumber.Error()},
		{changed(map[int]string{11: "-1"}), `cost repair: "-1", ` + errNoNumber.Error()},
		{changed(map[int]string{12: `"1,00"`}), `cost total: "1,00", ` + errNoNumber.Error()},
		{changed(map[int]string{12: "1000000000001"}), `cost total: "1000000000001", want at most 1000000000000`},
		{changed(map[int]string{12: "99999999999999999999"}), `cost total: "99999999999999999999", want at most 1000000000000`},
		{changed(map[int]string{10: "5", 11: "6", 12: "12"}), "cost total: $12, but other and repair are $11"},
		{changed(map[int]string{2: "None", 11: "6", 12: "6"}), "cost repair: $6, but there was no damage"},
		{changed(map[int]string{13: "fast"}), `speed: "fast", ` + errNoNumber.Error()},
		{changed(map[int]string{13: "501"}), "speed: 501 knots, want at most 500"},
		{changed(map[int]string{6: "Climb", 13: "0"}), "speed: 0 knots in flight (Climb)"},
		{changed(map[int]string{6: "Taxi", 13: "61"}), "speed: 61 knots on the ground (Taxi), want at most 60"},
	} {
		add(good)
		want = append(want, letters.Rejected{File: in, Line: int64(len(lines)) + 2, Byte: at, Reason: bad.reason, Row: bad.line})
		add(bad.line)
	}
	write(t, in, lines...)
	for _, workers := range []int{1, 3} {
		res := load(t, job{in: []string{in}, out: out, workers: workers})
		assert.EqualValues(t, len(lines), res.Read)
		assert.EqualValues(t, len(want), res.DeadLettered)
		assert.Equal(t, want, rejects(t, letters.File(out)))
		rows := stored(t, out)
		require.Len(t, rows, len(want))
		for _, s := range rows {
			require.Equal(t, rows[0], s)
		}
	}
}

func TestCleaned(t *testing.T) {
	folder := t.TempDir()
	in, out := filepath.Join(folder, "in.csv"), filepath.Join(folder, "out.parquet")
	write(t, in,
		changed(map[int]string{1: "BE-90  KING ", 4: "US AIRWAYS*", 10: `"1,234"`, 11: `" 2,000,000 "`, 12: "2001234", 13: ""}),
		changed(map[int]string{0: "\"A, \"\"B\"\"\"", 4: "UNKNOWN", 6: " Parked", 8: "Unknown bird or bat", 13: "0"}),
		changed(map[int]string{4: "", 8: ""}))
	load(t, job{in: []string{in}, out: out})
	text := func(s string) *string { return &s }
	number := func(n int64) *int64 { return &n }
	base := Strike{
		Date: time.Date(1990, 1, 11, 0, 0, 0, 0, time.UTC), Airport: "NEW ORLEANS INTL", State: "Louisiana",
		Operator: text("SOUTHWEST AIRLINES"), Aircraft: "B-737-300", Phase: "Take-off run", TimeOfDay: "Day",
		Size: "Small", Species: text("Rock pigeon"), Damage: "Substantial", Speed: number(140),
	}
	want := []Strike{base, base, base}
	want[0].Aircraft, want[0].Operator, want[0].Speed = "BE-90 KING", text("US AIRWAYS"), nil
	want[0].CostOther, want[0].CostRepair, want[0].CostTotal = 1234, 2_000_000, 2_001_234
	want[1].Airport, want[1].Operator, want[1].Phase, want[1].Species, want[1].Speed = `A, "B"`, nil, "Parked", nil, number(0)
	want[2].Operator, want[2].Species = nil, nil
	assert.Equal(t, want, stored(t, out))
	assert.Empty(t, rejects(t, letters.File(out)))
}

// A number is read as it was written, with and without commas.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, maxNumber).Draw(t, "n")
		for _, s := range []string{strings.TrimPrefix(dollars(n), "$"), strings.ReplaceAll(dollars(n)[1:], ",", "")} {
			got, err := number(s)
			require.NoError(t, err)
			require.Equal(t, n, got)
		}
	})
	for _, s := range []string{"", ",", "1,", ",123", "1234,567", "12,34", "1,2345", "+1", "1.0", "0x1", "1_0", "$1", "1,+23", "é"} {
		_, err := number(s)
		require.ErrorIs(t, err, errNoNumber, s)
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"", "0", "1,234", "12,34", "99999999999999999999", "1,000,000,000,000", "-1", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := number(s)
		if err != nil {
			return
		}
		require.LessOrEqual(t, n, int64(maxNumber))
		digits := strings.TrimLeft(strings.ReplaceAll(strings.TrimSpace(s), ",", ""), "0")
		if n == 0 {
			require.Empty(t, digits)
			return
		}
		require.Equal(t, digits, strings.ReplaceAll(dollars(n)[1:], ",", ""))
	})
}

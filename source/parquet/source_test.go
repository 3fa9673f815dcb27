package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

type flight struct {
	Date   time.Time `parquet:"date,timestamp(microsecond)"`
	Origin string    `parquet:"origin,dict"`
	Delay  *int64    `parquet:"delay"`
	Miles  int64     `parquet:"miles"`
}

var midnight = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// flights are n rows, one a minute.
func flights(n int) []flight {
	rows := make([]flight, n)
	for i := range rows {
		rows[i] = flight{Date: midnight.Add(time.Duration(i) * time.Minute), Origin: []string{"LAS", "SFO", "ABE"}[i%3], Miles: int64(i * 10)}
		if i%5 != 0 {
			delay := int64(i%100 - 20)
			rows[i].Delay = &delay
		}
	}
	return rows
}

func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	rows := flights(100)
	for i, name := range []string{"b.parquet", "a.parquet", "c.parquet"} {
		content := encoded(t, 7, rows[i*30:i*30+30])
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	b, a, c := rows[:30], rows[30:60], rows[60:90]
	pattern := filepath.Join(dir, "[ab].parquet")
	want := append(append(append([]flight(nil), a...), b...), c...)
	s := Source[flight](pattern, Paths(filepath.Join(dir, "c.parquet")))
	for _, limit := range limits() {
		items, places, err := read(t, s, limit)
		require.NoError(t, err)
		require.Equal(t, want, items)
		for i, at := range places {
			name := []string{"a.parquet", "b.parquet", "c.parquet"}[i/30]
			require.Equal(t, stage.Position{Part: int32(i / 30), Record: int64(i % 30), Key: filepath.Join(dir, name)}, at)
		}
	}
	assert.Contains(t, s.Describe(), "parquet.Source  source ("+pattern+", "+filepath.Join(dir, "c.parquet")+")")
}

func TestMissingFiles(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		filepath.Join(dir, "x.parquet"): fs.ErrNotExist,
		filepath.Join(dir, "*.parquet"): ErrNoMatch,
		dir:                             ErrNoMatch,
		"-":                             errStdin,
	} {
		_, err := Source[flight](path).Collect(t.Context())
		require.ErrorIs(t, err, want)
		var bad *Error
		require.ErrorAs(t, err, &bad)
		assert.Equal(t, path, bad.File)
		assert.Equal(t, -1, bad.RowGroup)
	}
	_, err := Source[flight](os.DevNull).Collect(t.Context())
	require.EqualError(t, err, "source: /dev/null: not a regular file: Parquet files are read from the end")
}

func TestFileVanishesWhileTheStreamRuns(t *testing.T) {
	a, b := written(t, 10, flights(20)), written(t, 10, flights(20))
	p, err := Source[flight](a, Paths(b)).Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Remove(b))
	var c stage.Chunk[flight]
	n := 0
	for err == nil {
		err = p.Pull(t.Context(), &c, stage.Limit{})
		n += len(c.Items)
	}
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, 20, n)
	require.NoError(t, p.Close())
}

func TestOnlyTheNamedColumnsAreRead(t *testing.T) {
	type miles struct {
		Miles int64 `parquet:"miles"`
	}
	content := encoded(t, 100, flights(100), parquet.Compression(&parquet.Uncompressed))
	path := stored(t, content)
	f, err := openFile(settings(path, nil), path)
	require.NoError(t, err)
	for i, leaf := range f.leaves { // wreck every other column
		if leaf.Name() != "miles" {
			m := f.chunk(0, i).meta
			for k := range m.TotalCompressedSize {
				content[max(4, min(m.DataPageOffset, max(m.DictionaryPageOffset, 4)))+k] ^= 0x55
			}
		}
	}
	require.NoError(t, f.release())
	path = stored(t, content)
	for i, row := range all(t, Source[miles](path), stage.Limit{}) {
		require.Equal(t, int64(i*10), row.Miles)
	}
	_, _, err = read(t, Source[flight](path), stage.Limit{})
	require.ErrorIs(t, err, ErrCorrupted)
}

func TestColumnsThatDoNotFit(t *testing.T) {
	path := written(t, 10, flights(10))
	type missing struct {
		Delay int64  `parquet:"delay"`
		Tail  string `parquet:"tail"`
		Gate  string
	}
	_, err := Source[missing](path).Collect(t.Context())
	require.EqualError(t, err, `source: `+path+`: missing columns "tail", "Gate"`)
	_, err = Source[struct {
		Gate string `parquet:"gate"`
	}](path).Collect(t.Context())
	require.EqualError(t, err, `source: `+path+`: missing column "gate"`)
	type text struct {
		Miles string `parquet:"miles"`
	}
	_, err = Source[text](path).Collect(t.Context())
	require.EqualError(t, err, `source: `+path+`: column "miles": its type INT(64,true) does not fit the field's, STRING`)
	type cut struct {
		Miles int32 `parquet:"miles"`
	}
	_, err = Source[cut](path).Collect(t.Context())
	require.ErrorContains(t, err, "does not fit")
	type stamp struct {
		Miles time.Time `parquet:"miles"`
	}
	_, err = Source[stamp](path).Collect(t.Context())
	require.ErrorContains(t, err, "does not fit")
	var bad *Error
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, "miles", bad.Column)
}

func TestNumbersWidenAndNullsAreZero(t *testing.T) {
	type narrow struct {
		A int32    `parquet:"a"`
		B uint32   `parquet:"b"`
		C float32  `parquet:"c"`
		D *int32   `parquet:"d"`
		E *float32 `parquet:"e"`
	}
	type wide struct {
		A int64   `parquet:"a"`
		B int64   `parquet:"b"`
		C float64 `parquet:"c"`
		D int     `parquet:"d"`
		E float64 `parquet:"e"`
	}
	d, e := int32(-7), float32(0.5)
	path := written(t, 2, []narrow{{A: -1, B: 1<<32 - 1, C: 1.5, D: &d, E: &e}, {A: 1}, {D: &d}})
	assert.Equal(t, []wide{{A: -1, B: 1<<32 - 1, C: 1.5, D: -7, E: 0.5}, {A: 1}, {D: -7}}, all(t, Source[wide](path), stage.Limit{}))
}

func TestArguments(t *testing.T) {
	for want, f := range map[string]func(){
		"penstock: parquet.Source: T is int, want a struct":            func() { Source[int]("x") },
		"penstock: parquet.Source: T is struct {}: it has no columns":  func() { Source[struct{}]("x") },
		"penstock: parquet.Source: an option is nil":                   func() { Source[flight]("x", nil) },
		"penstock: parquet.MaxPage: bytes is -1, want 0 to 1073741824": func() { MaxPage(-1) },
		"penstock: parquet.Between: column is empty":                   func() { Between("", 1, 2) },
		"penstock: parquet.AtLeast: low is NaN":                        func() { AtLeast("x", nan()) },
		"penstock: parquet.AtMost: high is NaN":                        func() { AtMost("x", nan()) },
		`penstock: parquet.Source: T is struct { A int; B int "parquet:\"A\"" }: column "A" comes twice`: func() {
			Source[struct {
				A int
				B int `parquet:"A"`
			}]("x")
		},
	} {
		assert.Equal(t, want, panics(t, f))
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

// A worker that is told to stop must not make others fail that wait for what it
// began.
func TestFailFastGivesTheLowestError(t *testing.T) {
	path := written(t, 1000, flights(5000), parquet.PageBufferSize(500))
	errOdd := errors.New("odd")
	for range 20 {
		_, err := pool.Map(t.Context(), pool.New(4), Source[flight](path), func(_ context.Context, f flight) (int, error) {
			if f.Miles >= 300 {
				return 0, fmt.Errorf("%d: %w", f.Miles, errOdd)
			}
			return 0, nil
		})
		require.ErrorIs(t, err, errOdd)
		require.ErrorContains(t, err, "300: odd")
	}
}

func TestStoppingEarlyClosesTheFiles(t *testing.T) {
	path := written(t, 50, flights(500))
	for range 20 {
		n := 0
		for _, err := range pool.Imap(pool.New(3), Source[flight](path, Paths(path, path)), stage.Pure(func(f flight) flight { return f })).All(t.Context()) {
			require.NoError(t, err)
			if n++; n == 120 {
				break
			}
		}
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // no such folder on this system
	}
	for _, e := range open {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil {
			assert.NotEqual(t, path, target)
		}
	}
}

func TestPagesAreLetGo(t *testing.T) {
	path := written(t, 100_000, flights(20_000), parquet.PageBufferSize(1000))
	s := Source[flight](path)
	p := &puller[flight]{opts: settings(path, nil), shape: shapeOf[flight]("Source"), paths: []string{path}, zstd: newZstd()}
	p.files = make([]filePointer, 1)
	var c stage.Chunk[flight]
	for n := 0; n < 20_000; n += len(c.Items) {
		require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
		require.NoError(t, p.Fill(t.Context(), &c))
		g := p.files[0].Load().groups[0].Load()
		for _, s := range g.columns {
			assert.LessOrEqual(t, len(s.pages), 2, "of %s", s.name)
		}
	}
	g := p.files[0].Load().groups[0].Load()
	for _, s := range g.columns {
		assert.Nil(t, s.dict)
	}
	require.NoError(t, p.Close())
	assert.Len(t, all(t, s, stage.Limit{}), 20_000)
}

// A number that a tag makes a timestamp must count what the column counts.
func TestUnitsOfNumbersThatAreTimestamps(t *testing.T) {
	path := written(t, 10, flights(10))
	type micros struct {
		Date int64 `parquet:"date,timestamp(microsecond)"`
	}
	rows, err := Source[micros](path).Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, midnight.Add(9*time.Minute).UnixMicro(), rows[9].Date)
	type millis struct {
		Date *int64 `parquet:"date,timestamp(millisecond)"`
	}
	_, err = Source[millis](path).Collect(t.Context())
	require.ErrorContains(t, err, `column "date": its type TIMESTAMP(`)
	require.ErrorContains(t, err, "does not fit the field's, TIMESTAMP(")
	type number struct {
		Miles int64 `parquet:"miles,timestamp(microsecond)"`
	}
	_, err = Source[number](path).Collect(t.Context())
	require.ErrorContains(t, err, `column "miles": its type INT(64,true) does not fit the field's, TIMESTAMP(`)
	type raw struct {
		Date int64 `parquet:"date"`
	}
	_, err = Source[raw](path).Collect(t.Context())
	require.NoError(t, err, "no unit is asked for")
}

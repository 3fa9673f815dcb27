package source

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jszwec/csvutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

type order struct {
	ID    int     `csv:"id"`
	Name  string  `csv:"name"`
	Price float64 `csv:"price"`
	Note  *string `csv:"note"`
}

func TestCSV(t *testing.T) {
	text := "id,price,ignored,name,note\n" +
		"1,2.5,x,\"Doe, \"\"Jane\"\"\",\n" +
		"\r\n\n" +
		"2,-1e3,,\"two\r\nlines\",n\r\n" +
		"3,0,,,\"\"\n"
	n := "n"
	want := []order{{1, "Doe, \"Jane\"", 2.5, nil}, {2, "two\nlines", -1000, &n}, {3, "", 0, nil}}
	for _, how := range []string{"", "gz", "zst"} {
		for _, bom := range []string{"", "\ufeff"} {
			path := file(t, "in", packed(t, how, bom+text))
			for _, max := range limits() {
				r := read(t, CSV[order](path), max)
				require.NoError(t, r.err)
				require.Empty(t, r.errs)
				require.Equal(t, want, r.items)
				for i, at := range r.places {
					require.Equal(t, int64(i), at.Record)
					at.Offset -= int64(len(bom))
					require.True(t, strings.HasPrefix(text[at.Offset:], strconv.Itoa(i+1)+","), "%+v", at)
				}
			}
		}
	}
}

func TestCSVEachFileHasItsHeader(t *testing.T) {
	type pair struct{ A, B int }
	a, b, empty, only := file(t, "a", "A,B\n1,2\n"), file(t, "b", "X,B,A\n0,3,4\n5,6,7"), file(t, "c", ""), file(t, "d", "A,B")
	for _, max := range limits() {
		r := read(t, CSV[pair](a, Paths(empty, b, only, a)), max)
		require.NoError(t, r.err)
		assert.Equal(t, []pair{{1, 2}, {4, 3}, {7, 6}, {1, 2}}, r.items)
		assert.Equal(t, []stage.Position{
			{Part: 0, Offset: 4, Key: a}, {Part: 2, Offset: 6, Key: b},
			{Part: 2, Offset: 12, Record: 1, Key: b}, {Part: 4, Offset: 4, Key: a},
		}, r.places)
	}
}

func TestCSVHeaderErrors(t *testing.T) {
	type pair struct{ A, B int }
	good := file(t, "good", "A,B\n1,2\n")
	for text, want := range map[string]string{
		"A\n1\n":                                `header: missing column "B"`,
		"x,y\n1,2\n":                            `header: missing columns "A", "B"`,
		"a,b":                                   `header: missing columns "A", "B"`,
		"A,B,A\n1,2,3\n":                        `header: column "A" comes twice`,
		"A,B\"\n1,2\n":                          `header: bare " in non-quoted-field`,
		"A,\"B\n1,2\n":                          `header: a quote is never closed: extraneous or missing " in quoted-field`,
		"A,B," + strings.Repeat("x", 97) + "\n": `header: record too long: 101 bytes, limit 100`,
		"\"" + strings.Repeat("x", 300_000):     `header: record too long: 300001 bytes, limit 100 (a quote in it is never closed)`,
	} {
		path := file(t, "in", text)
		r := read(t, CSV[pair](good, Paths(path, good), MaxRecord(100)), stage.Limit{})
		assert.Equal(t, []pair{{1, 2}}, r.items)
		require.EqualError(t, r.err, "source: "+path+": "+want)
		_, ok := errors.AsType[*Error](r.err)
		assert.True(t, ok)
	}
	// Columns that come twice do no harm when they are not used.
	assert.Equal(t, []pair{{1, 2}}, all(t, CSV[pair](file(t, "in", "A,B,x,x\n1,2,3,4\n")), stage.Limit{}))
}

// One bad record does not stop the stream; each error names file, record, byte.
func TestCSVRecordErrors(t *testing.T) {
	type row struct {
		N     int8      `csv:"n"`
		On    bool      `csv:"on"`
		When  time.Time `csv:"when"`
		Maybe int       `csv:"maybe,omitempty"`
	}
	const day = "2001-01-01T00:00:00Z"
	lines := []string{
		"n,on,when,maybe",
		"1,true," + day + ",",
		"2,true",
		"3,true," + day + ",,x",
		"",
		"300,true," + day + ",",
		"4,true\"," + day + ",",
		"\"5\"x,\"true," + day + ",",
		"6,perhaps," + day + ",",
		"7,true,yesterday,",
		"8,true," + day + ",8",
		"9,true," + day + "," + strings.Repeat("9", 80),
		"10,true," + day + ",\"open",
		"11,true",
	}
	path := file(t, "in.csv", strings.Join(lines, "\n"))
	want := []struct {
		line int
		text string
	}{
		{2, `record 2, byte %d: wrong number of fields: 2, want 4`},
		{3, `record 3, byte %d: wrong number of fields: 5, want 4`},
		{5, `record 4, byte %d: column "n": "300" does not fit int8`},
		{6, `record 5, byte %d: bare " in non-quoted-field`},
		{7, `record 6, byte %d: extraneous or missing " in quoted-field`},
		{8, `record 7, byte %d: column "on": "perhaps" does not fit bool`},
		{9, `record 8, byte %d: column "when": parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": ` +
			`cannot parse "yesterday" as "2006"`},
		{11, `record 10, byte %d: record too long: 108 bytes, limit 100`},
		{12, `record 11, byte %d: a quote is never closed: extraneous or missing " in quoted-field`},
	}
	for _, max := range limits() {
		r := read(t, CSV[row](path, MaxRecord(100)), max)
		require.NoError(t, r.err)
		assert.Equal(t, "ieeeeeeeiee", r.order)
		require.Len(t, r.errs, len(want))
		for i, e := range r.errs {
			at := len(strings.Join(lines[:want[i].line], "\n")) + 1
			assert.Equal(t, "source: "+path+": "+fmt.Sprintf(want[i].text, at), e.Error())
		}
		assert.Equal(t, "2,true", r.errs[0].Input)
		assert.Nil(t, r.errs[7].Input, "a record that is too long is not kept")
		assert.Equal(t, "10,true,"+day+",\"open\n11,true", r.errs[8].Input)
		require.ErrorIs(t, r.errs[3], csv.ErrBareQuote)
		_, ok := errors.AsType[*csvutil.UnmarshalTypeError](r.errs[2])
		assert.True(t, ok)
		assert.Equal(t, row{N: 8, On: true, When: r.items[1].When, Maybe: 8}, r.items[1])
	}
}

func TestCSVLongQuotedRecordIsSkipped(t *testing.T) {
	type row struct{ A, B string }
	text := "A,B\n1,\"" + strings.Repeat("x\n\"\"", 200_000) + "\"\n2,two\n3,\"" + strings.Repeat("y,z\n", 100_000)
	path := file(t, "in", text)
	for _, max := range limits() {
		r := read(t, CSV[row](path, MaxRecord(1000)), max)
		require.NoError(t, r.err)
		assert.Equal(t, []row{{"2", "two"}}, r.items)
		assert.Equal(t, "eie", r.order)
		assert.Equal(t, "source: "+path+": record 1, byte 4: record too long: 800004 bytes, limit 1000", r.errs[0].Error())
		assert.Equal(t, "source: "+path+": record 3, byte 800015: record too long: 400003 bytes, limit 1000 "+
			"(a quote in it is never closed)", r.errs[1].Error())
	}
}

func TestCSVComma(t *testing.T) {
	type row struct{ A, B string }
	for _, comma := range []rune{';', '\t', '|', 'é', '€', '𝄞'} {
		text := strings.ReplaceAll("A;B\n1;\"x;\ny\"\n2;,\n", ";", string(comma))
		got := all(t, CSV[row](file(t, "in", text), Comma(comma), BlockSize(1)), stage.Limit{})
		assert.Equal(t, []row{{"1", "x" + string(comma) + "\ny"}, {"2", ","}}, got)
	}
}

func TestCSVPointers(t *testing.T) {
	type row struct{ A int }
	got := all(t, CSV[*row](file(t, "in", "A\n1\n2\n")), stage.Limit{})
	assert.Equal(t, []*row{{1}, {2}}, got)
}

// touchy is a value whose decoding panics.
type touchy string

func (v *touchy) UnmarshalText(text []byte) error {
	if string(text) == "bang" {
		panic(string(text))
	}
	*v = touchy(text)
	return nil
}

// R6 for a source: a panic in decoding fails its record, and its siblings live.
func TestCSVDecodingPanics(t *testing.T) {
	type row struct{ A touchy }
	path := file(t, "in", strings.Join([]string{"A", "a", "bang", "b", "bang", "bang", "c"}, "\n"))
	for _, max := range limits() {
		r := read(t, CSV[row](path), max)
		require.NoError(t, r.err)
		assert.Equal(t, []row{{"a"}, {"b"}, {"c"}}, r.items)
		assert.Equal(t, "ieieei", r.order)
		assert.Equal(t, "source: "+path+": record 2, byte 4: panic: bang", r.errs[0].Error())
		assert.Contains(t, string(r.errs[0].Stack), "UnmarshalText")
	}
}

func TestCSVTruncated(t *testing.T) {
	var text strings.Builder
	text.WriteString("id,price,name,note\n")
	for i := range 30 {
		fmt.Fprintf(&text, "%d,%d.5,\"name\n%d\",\n", i, i*i, i)
	}
	for _, how := range []string{"gz", "zst"} {
		data := packed(t, how, text.String())
		whole := all(t, CSV[order](file(t, "in", data)), stage.Limit{})
		require.Len(t, whole, 30)
		for n := range len(data) {
			path := file(t, "in."+how, data[:n])
			r := read(t, CSV[order](path), stage.Limit{})
			require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
			require.Empty(t, r.errs)
			require.True(t, len(r.items) == 0 || assert.ObjectsAreEqual(whole[:len(r.items)], r.items))
			require.Contains(t, r.err.Error(), fmt.Sprintf("source: %s: record %d, byte ", path, len(r.items)+1))
		}
	}
}

func TestCSVFillInAnyOrder(t *testing.T) {
	type row struct {
		N int    `csv:"n"`
		S string `csv:"s"`
	}
	var text strings.Builder
	text.WriteString("n,s\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "%d,\"a \"\"%d\"\"\"\n", i, i)
	}
	path := file(t, "in", text.String())
	chunks, err := drainConcurrently(t, CSV[row](path, Paths(path)), stage.Limit{Bytes: 500})
	require.NoError(t, err)
	n := 0
	for _, c := range chunks {
		for _, item := range c.Items {
			require.Equal(t, row{n % 5000, fmt.Sprintf("a \"%d\"", n%5000)}, item)
			n++
		}
	}
	assert.Equal(t, 10_000, n)
}

// three is a record of strings, so that nothing can fail but the CSV itself.
type three struct{ A, B, C string }

// plainCSV is what encoding/csv makes of the whole text; false means an error
// somewhere.
func plainCSV(text string, comma rune) (rows []three, ok bool) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	ok = true
	for first := true; ; first = false {
		fields, err := r.Read()
		if err == io.EOF {
			return rows, ok
		}
		if err != nil {
			ok = false
			continue
		}
		if !first {
			rows = append(rows, three{fields[0], fields[1], fields[2]})
		}
	}
}

// The same records as encoding/csv, at whatever place blocks are cut; where that
// finds an error, so do we, and the records without one are the same.
func sameCSV(t require.TestingT, path, text string, comma rune, max stage.Limit, block int) {
	text = strings.ReplaceAll("A,B,C\n", ",", string(comma)) + text
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	rows, ok := plainCSV(text, comma)
	r := read(t, CSV[three](path, BlockSize(block), Comma(comma)), max)
	require.NoError(t, r.err)
	require.Equal(t, rows, r.items)
	require.Equal(t, ok, len(r.errs) == 0)
}

func TestCSVAnyTextAnyLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.OneOf(
			rapid.StringOf(rapid.RuneFrom([]rune("ab\",;\r\n é"))),
			rapid.StringMatching(`[a-z]{0,3}`),
			rapid.StringMatching(`"([a-z,\n]|""){0,4}"`),
		)
		rows := rapid.SliceOf(rapid.SliceOfN(field, 3, 3)).Draw(t, "rows")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(t, "end")
		var text bytes.Buffer
		for _, row := range rows {
			text.WriteString(strings.Join(row, ",") + end)
		}
		max := stage.Limit{Items: rapid.IntRange(0, 5).Draw(t, "items"), Bytes: rapid.Int64Range(0, 30).Draw(t, "bytes")}
		sameCSV(t, path, text.String(), ',', max, rapid.IntRange(1, 40).Draw(t, "block"))
	})
}

func FuzzCSV(f *testing.F) {
	path := filepath.Join(f.TempDir(), "in")
	for _, text := range []string{
		"1,2,3\n", "1,2\n1,2,3", "\"a\nb\",\"\"\"\",\n", "\"\r\n\",a\rb,\n", ",\"x\"y,\n1,2,3\n",
		"1,2,\"open\n1,2,3\n", "a\"b,c\n\n\r\n1,2,3\r",
	} {
		f.Add(text, uint8(0), uint8(1), false)
		f.Add(text, uint8(1), uint8(7), true)
	}
	f.Fuzz(func(t *testing.T, text string, items, block uint8, wide bool) {
		comma := ','
		if wide {
			comma = '€'
		}
		sameCSV(t, path, text, comma, stage.Limit{Items: int(items)}, int(block)+1)
	})
}

// flight is a row of the size and kind that real data has.
type flight struct {
	Date        string `csv:"date"`
	Delay       int    `csv:"delay"`
	Distance    int    `csv:"distance"`
	Origin      string `csv:"origin"`
	Destination string `csv:"destination"`
}

func BenchmarkCSV(b *testing.B) {
	const rows = 1 << 16
	for name, row := range map[string]string{
		"plain": "2001-01-01T00:01:00,14,405,ABQ,PHX\n", "quoted": "2001-01-01T00:01:00,14,405,\"ABQ\",\"PHX\"\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := "date,delay,distance,origin,destination\n" + strings.Repeat(row, rows)
			benchmark(b, CSV[flight](file(b, "in", text)), len(text), rows)
		})
	}
}

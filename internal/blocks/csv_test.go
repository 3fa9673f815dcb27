package blocks

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// outcome is what came of one record.
type outcome struct {
	fields []string
	err    error
}

// NewCSV is a splitter for the usual dialect with another comma.
func NewCSV(comma rune) Splitter { return NewDialect(Dialect{Comma: comma, Quote: '"'}) }

// Record is the first record of s, and how long it is.
func Record(s, comma string, _ []string) (fields []string, n int, err error) {
	d := Dialect{Comma: []rune(comma)[0], Quote: '"'}
	return d.Record([]byte(s))
}

// dialects are what texts written with commas and double quotes are tried in.
func dialects() (all []Dialect) {
	for _, comma := range []rune{',', ';', '\t', 'é', '€'} {
		for i := range 8 {
			d := Dialect{Comma: comma, Quote: '"', Lazy: i&1 != 0, Trim: i&2 != 0}
			if i&4 != 0 {
				d.Comment = 'b'
			}
			all = append(all, d)
		}
	}
	return append(all, Dialect{Comma: ',', Quote: '"', Comment: 'é'}, Dialect{Comma: ',', Quote: '\''}, Dialect{Comma: ';', Quote: '\'', Lazy: true})
}

// written is the text in the dialect.
func (d *Dialect) written(text string) string {
	return strings.NewReplacer(",", string(d.Comma), "\"", string(d.Quote)).Replace(text)
}

// standard is what encoding/csv makes of the text, going on after errors.
func standard(text string, d Dialect, width int) (out []outcome) {
	// It knows one quote only.
	swap := strings.NewReplacer("\"", string(d.Quote), string(d.Quote), "\"")
	r := csv.NewReader(strings.NewReader(swap.Replace(text)))
	r.Comma, r.Comment, r.LazyQuotes, r.TrimLeadingSpace = d.Comma, d.Comment, d.Lazy, d.Trim
	r.FieldsPerRecord = -1
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		for i := range fields {
			fields[i] = swap.Replace(fields[i])
		}
		parse := new(csv.ParseError)
		switch {
		case errors.As(err, &parse):
			out = append(out, outcome{err: parse.Err})
		case len(fields) != width:
			out = append(out, outcome{err: csv.ErrFieldCount})
		default:
			out = append(out, outcome{fields: fields})
		}
	}
}

// cause is the error of encoding/csv that err wraps.
func cause(err error) error {
	for _, known := range []error{csv.ErrQuote, csv.ErrBareQuote, csv.ErrFieldCount} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// ours splits the text into blocks of about want bytes, and those into records.
func ours(t require.TestingT, text string, d Dialect, width, want int) (out []outcome) {
	r := New(NewDialect(d), 1<<20)
	r.Reset(from(strings.NewReader(text)), false)
	r.begun = true // encoding/csv knows no byte order mark
	columns := Columns{Dialect: d, Width: width, MaxRecord: 1 << 20}
	var table Table
	for {
		b, err := r.Next(context.Background(), want, 0)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		whole := string(b.Data)
		columns.Split(b.Data, &table)
		require.Equal(t, whole, string(b.Data))
		require.Len(t, table.Fields, width*len(table.Starts))
		bad := table.Bad
		for i := 0; i <= len(table.Starts); i++ {
			for len(bad) > 0 && bad[0].Before == i {
				out = append(out, outcome{err: cause(bad[0].Err)})
				bad = bad[1:]
			}
			if i == len(table.Starts) {
				break
			}
			fields := []string{}
			for _, f := range table.Fields[i*width:][:width] {
				fields = append(fields, string(table.Data[f.Start():f.End()]))
			}
			out = append(out, outcome{fields: fields})
		}
		require.Empty(t, bad)
	}
}

var csvTexts = []string{
	"", "\n", "\r\n", "\r", "\r\r\n", "a", "a,b\n", "a,b\r\nc,d", "\n\na\n\n\nb\n\r\n", ",\n", ",,", "\"\"\n", "\"\"",
	"\"a\nb\",c\nd,e\n", "\"a\"\"b\",\"\"\"\"\n", "\"a\r\nb\"\r\nc\r\n", "\"a\"\r", "\"a\"\r\r\n", "\"a\"\rb\nc\n", "a\r", "a\rb\n",
	"a\"b,\"c\nd\"\ne\n", "\"a\"b,\"c\nd\ne\n", "x,\"open\nnever\nclosed", "\"", "\"a\",\"b\"\n\"c\",\"d\"", "a,\"b\"c\n\"d\n\"\n",
	"é,\"€\"€x\n\"a\"é\"b\"\n", "\xff,\x00\n", "\"\r\n\"\n", "a,\"b\n\n\nc\"\n\nd\n", "\"a\", \"b\"\n", "\"\n\n\"\"\n\",x\r\n\"y",
}

func TestCSVLikeEncodingCSV(t *testing.T) {
	for _, text := range csvTexts {
		for _, d := range dialects() {
			text := d.written(text)
			for width := 1; width <= 3; width++ {
				expected := standard(text, d, width)
				for want := 1; want <= len(text)+1; want++ {
					require.Equal(t, expected, ours(t, text, d, width, want), "%q, %+v, blocks of %d bytes", text, d, want)
				}
			}
		}
	}
}

// Long blocks hold more separators than are noted at a time, and lines with more
// than that.
func TestLongBlocksLikeEncodingCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.SampledFrom([]int{1, 2, 5, 700, 3000}).Draw(t, "width")
		odd := rapid.SampledFrom([]string{
			"", "\n", "\r\n", "a", "a,b\r\n", "a,b", ",", strings.Repeat("x,", 2500) + "\n", strings.Repeat("long", 500) + "\n", ",,,,\n", "a\rb\n",
			"\"a\nb\",\"c,d\"\n", "\"a\"\"b\",\"\"\"\"\n", "a\"b\n", "\"a\"b,c\n", "\"a\r\nb\",c\r\n", "\"\n\n\n\"\n", "\"\"\n", "\"open",
		})
		row := strings.Repeat("ab,", width-1) + "c"
		if rapid.Bool().Draw(t, "quotes") {
			row = strings.Repeat("\"ab\",", width-1) + "\"c\""
		}
		var text strings.Builder
		for range rapid.IntRange(1, 40).Draw(t, "parts") {
			for range rapid.IntRange(0, 6000/width).Draw(t, "rows") {
				text.WriteString(row + rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n"}).Draw(t, "end"))
			}
			text.WriteString(odd.Draw(t, "odd"))
		}
		d := Dialect{Comma: ',', Quote: '"'}
		want := rapid.IntRange(1, 2*text.Len()+1).Draw(t, "want")
		require.Equal(t, standard(text.String(), d, width), ours(t, text.String(), d, width, want))
	})
}

// Padded records are more than the noted separators tell.
func TestPaddedRecords(t *testing.T) {
	text := strings.Repeat("a\n", 5000) + "a,b,c\n" + strings.Repeat("a,b\n", 5000) + "a,b,c\n"
	columns := Columns{Dialect: Dialect{Comma: ',', Quote: '"'}, Width: 3, Pad: true, MaxRecord: 100}
	var table Table
	columns.Split([]byte(text), &table)
	assert.Len(t, table.Starts, 10_002)
	assert.Len(t, table.Fields, 30_006)
	assert.Empty(t, table.Bad)
}

func TestCSVOpenQuoteOverTheLimit(t *testing.T) {
	text := "a,b\n\"open" + strings.Repeat(",x\n", 100)
	r := New(NewCSV(','), 20)
	r.Reset(from(strings.NewReader(text)), false)
	b, err := r.Next(t.Context(), 4, 0)
	require.NoError(t, err)
	assert.Equal(t, "a,b\n", string(b.Data))
	b, err = r.Next(t.Context(), 4, 0)
	require.NoError(t, err)
	assert.Equal(t, Block{Offset: 4, Records: 1, Long: int64(len(text) - 4), Open: true}, b)
	_, err = r.Next(t.Context(), 4, 0)
	require.ErrorIs(t, err, io.EOF)
}

func TestColumnsSplitAllocatesNothing(t *testing.T) {
	block := []byte("2001-01-01,\"quoted\",text\r\na,b,c\n")
	columns := Columns{Dialect: Dialect{Comma: ',', Quote: '"'}, Width: 3, MaxRecord: 100}
	var table Table
	assert.Zero(t, testing.AllocsPerRun(100, func() { columns.Split(block, &table) }))
	assert.Len(t, table.Starts, 2)
}

// Picking in order goes another way than picking in any order.
func TestColumnsPicked(t *testing.T) {
	for _, text := range []string{"a,b,c\nd,e,f", "a,\"b\",c\n\"d\",e,f"} {
		for want, pick := range map[string][]int{"acdf": {0, 2}, "cafd": {2, 0}, "be": {1}, "abcdef": {0, 1, 2}} {
			columns := Columns{Dialect: Dialect{Comma: ',', Quote: '"'}, Width: 3, Pick: pick, MaxRecord: 100}
			var table Table
			columns.Split([]byte(text), &table)
			got := ""
			for _, f := range table.Fields {
				got += string(table.Data[f.Start():f.End()])
			}
			assert.Equal(t, want, got)
		}
	}
}

func TestColumns(t *testing.T) {
	text := "a,b,c\nd,NA\n\ne,\"NA\",f,g\n\"h\"\"i\",j,NA\nlonglonglonglo,k,l\n"
	for _, comment := range []rune{0, '#'} { // both ways to split
		columns := Columns{
			Dialect: Dialect{Comma: ',', Quote: '"', Comment: comment}, Width: 3, Pick: []int{2, 0, 0, 1}, Pad: true,
			Null: []string{"NA", "x"}, MaxRecord: 12,
		}
		var table Table
		columns.Split([]byte(text), &table)
		var got []string
		for _, f := range table.Fields {
			got = append(got, string(table.Data[f.Start():f.End()]))
		}
		assert.Equal(t, []string{"c", "a", "a", "b", "", "d", "d", "", "", "h\"i", "h\"i", "j"}, got)
		assert.Equal(t, []int32{0, 6, 23}, table.Starts)
		require.Len(t, table.Bad, 2)
		assert.Equal(t, 2, table.Bad[0].Before)
		assert.Equal(t, "e,\"NA\",f,g", text[table.Bad[0].At:][:table.Bad[0].Size])
		require.EqualError(t, table.Bad[0].Err, "wrong number of fields: 4, want 3")
		assert.Equal(t, BadRecord{Before: 3, At: 35, Size: 18, Err: ErrLong}, table.Bad[1])
	}
}

func FuzzCSV(f *testing.F) {
	for i, text := range csvTexts {
		f.Add(text, uint16(3), uint8(i), uint8(1))
		f.Add(text, uint16(7), uint8(3*i), uint8(2))
	}
	all := dialects()
	f.Fuzz(func(t *testing.T, text string, want uint16, which, width uint8) {
		d := all[int(which)%len(all)]
		text = d.written(text)
		n := int(width)%4 + 1
		require.Equal(t, standard(text, d, n), ours(t, text, d, n, int(want)+1))
	})
}

func FuzzLines(f *testing.F) {
	for _, text := range csvTexts {
		f.Add(text, uint16(3), uint8(0))
		f.Add(text, uint16(7), uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, want uint16, records uint8) {
		r := New(&Lines{}, 1<<20)
		r.Reset(from(strings.NewReader(text)), false)
		data, long, count, err := drain(t, r, int(want)+1, int(records))
		require.ErrorIs(t, err, io.EOF)
		require.Empty(t, long)
		plain := strings.TrimPrefix(text, "\ufeff")
		require.Equal(t, plain, data)
		require.Len(t, scanLines(plain), int(count))
	})
}

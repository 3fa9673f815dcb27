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
)

// outcome is what came of one record.
type outcome struct {
	fields []string
	err    error
}

// standard is what encoding/csv makes of the text, going on after errors.
func standard(text string, comma rune) (out []outcome) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	r.FieldsPerRecord = -1
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if parse := new(csv.ParseError); errors.As(err, &parse) {
			out = append(out, outcome{err: parse.Err})
			continue
		}
		out = append(out, outcome{fields: fields})
	}
}

// ours splits the text into blocks of about want bytes, and those into records.
func ours(t require.TestingT, text string, comma rune, want int) (out []outcome) {
	r := New(NewCSV(comma), 1<<20)
	r.Reset(from(strings.NewReader(text)), false)
	r.begun = true // encoding/csv knows no byte order mark
	for {
		b, err := r.Next(context.Background(), want, 0)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		count := int64(0)
		for s := string(b.Data); s != ""; {
			fields, n, err := Record(s, string(comma), nil)
			require.Positive(t, n)
			s = s[n:]
			switch {
			case errors.Is(err, csv.ErrQuote):
				if errors.Is(err, ErrOpenQuote) {
					require.Empty(t, s, "only the input's end leaves a quote open")
				}
				out = append(out, outcome{err: csv.ErrQuote})
			case err != nil:
				out = append(out, outcome{err: err})
			case len(fields) == 0:
				continue
			default:
				out = append(out, outcome{fields: fields})
			}
			count++
		}
		require.Equal(t, b.Records, count)
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
		for _, comma := range []rune{',', ';', 'é', '€'} {
			text := strings.ReplaceAll(text, ",", string(comma))
			expected := standard(text, comma)
			for want := 1; want <= len(text)+1; want++ {
				require.Equal(t, expected, ours(t, text, comma, want), "%q, blocks of %d bytes", text, want)
			}
		}
	}
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

func TestRecordsAreViews(t *testing.T) {
	line := "2001-01-01,\"quoted\",text\r\n"
	fields := make([]string, 0, 8)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		fields, _, _ = Record(line, ",", fields)
	}))
	assert.Equal(t, []string{"2001-01-01", "quoted", "text"}, fields)
}

func FuzzCSV(f *testing.F) {
	for _, text := range csvTexts {
		f.Add(text, uint16(3), false)
		f.Add(text, uint16(7), true)
	}
	f.Fuzz(func(t *testing.T, text string, want uint16, wide bool) {
		comma := ','
		if wide {
			comma = '€'
		}
		require.Equal(t, standard(text, comma), ours(t, text, comma, int(want)+1))
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

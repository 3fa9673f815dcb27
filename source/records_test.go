package source

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// fields are the fields of records.
func fields(records []Record) (rows [][]string) {
	for _, r := range records {
		rows = append(rows, r.Append([]string{}))
	}
	return rows
}

func TestRecords(t *testing.T) {
	text := "id,name,note\n1,\"Doe, \"\"Jane\"\"\",\n\r\n2,\"two\r\nlines\",n\r\n3,,\"\""
	want := [][]string{{"1", "Doe, \"Jane\"", ""}, {"2", "two\nlines", "n"}, {"3", "", ""}}
	for _, how := range []string{"", "gz", "zst"} {
		for _, bom := range []string{"", "\ufeff"} {
			path := file(t, "in", packed(t, how, bom+text))
			for _, max := range limits() {
				r := read(t, Records(path), max)
				require.NoError(t, r.err)
				require.Empty(t, r.errs)
				require.Equal(t, want, fields(r.items))
				for i, at := range r.places {
					require.Equal(t, at, r.items[i].Position())
					require.Equal(t, int64(i), at.Record)
					require.True(t, strings.HasPrefix(text[at.Offset-int64(len(bom)):], fmt.Sprint(i+1, ",")))
				}
			}
		}
	}
}

func TestRecord(t *testing.T) {
	r := all(t, Records(file(t, "in", "a,b,a\n1,\"x\"\"y\",3\n")), stage.Limit{})[0]
	assert.Equal(t, 3, r.Len())
	assert.Equal(t, []string{"a", "b", "a"}, r.Names())
	assert.Equal(t, "1", r.Get("a"))
	assert.Equal(t, "x\"y", r.Get("b"))
	assert.Empty(t, r.Get("c"))
	assert.Equal(t, 1, r.Index("b"))
	assert.Equal(t, -1, r.Index("c"))
	assert.Equal(t, []byte("3"), r.Bytes(2))
	assert.Equal(t, []string{"-", "1", "x\"y", "3"}, r.Append([]string{"-"}))
	assert.Equal(t, `1,"x""y",3`, r.String())
	assert.Panics(t, func() { r.At(3) })
	assert.Panics(t, func() { r.At(-1) })
	out, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Equal(t, `{"a":"1","b":"x\"y","a":"3"}`, string(out)) //nolint:testifylint // byte for byte

	r = all(t, Records(file(t, "in", "1,2\n"), NoHeader()), stage.Limit{})[0]
	assert.Nil(t, r.Names())
	assert.Empty(t, r.Get("a"))
	out, err = json.Marshal(r)
	require.NoError(t, err)
	assert.Equal(t, `["1","2"]`, string(out))

	r = all(t, Records(file(t, "in", "\xff\n"), NoHeader()), stage.Limit{})[0]
	_, err = json.Marshal(r)
	require.ErrorContains(t, err, "column 1")

	r = Record{}
	assert.Zero(t, r.Len())
	assert.Nil(t, r.Names())
	assert.Equal(t, -1, r.Index("a"))
	assert.Zero(t, r.Position())
	assert.Empty(t, r.String())
}

func TestRecordsColumns(t *testing.T) {
	a, b, lacks := file(t, "a", "x,y,z\n1,2,3\n"), file(t, "b", "z,n,x\n3,0,\"1\"\n"), file(t, "c", "x\n1\n")
	r := read(t, Records(a, Paths(b, lacks, a), Columns("z", "x")), stage.Limit{})
	assert.Equal(t, [][]string{{"3", "1"}, {"3", "1"}}, fields(r.items))
	assert.Equal(t, []string{"z", "x"}, r.items[1].Names())
	require.EqualError(t, r.err, "source: "+lacks+`: header: missing column "z"`)

	got := all(t, Records(a, Header("a", "b", "c"), Columns("c")), stage.Limit{})
	assert.Equal(t, [][]string{{"z"}, {"3"}}, fields(got))
}

func TestRecordsErrors(t *testing.T) {
	path := file(t, "in.csv", "a,b\n1\n2,2\n3,3,3\nx\"y,4\n"+strings.Repeat("5", 60)+",5\n6,6\n\"7,7\n8,8")
	for _, max := range limits() {
		r := read(t, Records(path, MaxRecord(50)), max)
		require.NoError(t, r.err)
		assert.Equal(t, "eieeeie", r.order)
		assert.Equal(t, [][]string{{"2", "2"}, {"6", "6"}}, fields(r.items))
		for i, want := range []string{
			"record 1, byte 4: wrong number of fields: 1, want 2", "record 3, byte 10: wrong number of fields: 3, want 2",
			"record 4, byte 16: bare \" in non-quoted-field", "record 5, byte 22: record too long: 62 bytes, limit 50",
			"record 7, byte 89: a quote is never closed: extraneous or missing \" in quoted-field",
		} {
			require.EqualError(t, r.errs[i], "source: "+path+": "+want)
		}
		assert.Equal(t, "1", r.errs[0].Input)
		assert.Nil(t, r.errs[3].Input)
		assert.Equal(t, "\"7,7\n8,8", r.errs[4].Input)
		assert.Equal(t, r.places[1], r.items[1].Position())
	}
	r := read(t, Records(file(t, "h", "a,b\"\n1,2\n")), stage.Limit{})
	_, ok := errors.AsType[*Error](r.err)
	assert.True(t, ok, r.err)
}

// Without a header, the first good record of each file says how many fields
// there are.
func TestRecordsNoHeader(t *testing.T) {
	a, b := file(t, "a", "\n\"x\"y\n1,2\n3\n"), file(t, "b", "1,2,3\n")
	for _, max := range limits() {
		r := read(t, Records(a, Paths(b), NoHeader()), max)
		require.NoError(t, r.err)
		assert.Equal(t, "eiei", r.order)
		assert.Equal(t, [][]string{{"1", "2"}, {"1", "2", "3"}}, fields(r.items))
	}
}

func TestCSVWithoutHeader(t *testing.T) {
	type pair struct {
		A int    `csv:"a"`
		B string `csv:"b"`
	}
	path := file(t, "in", "1,x\n2,y\n3\n")
	for _, opt := range []Option{NoHeader(), Header("a", "b")} {
		r := read(t, CSV[pair](path, opt), stage.Limit{})
		assert.Equal(t, []pair{{1, "x"}, {2, "y"}}, r.items)
		assert.Equal(t, "iie", r.order)
	}
}

func TestCSVNull(t *testing.T) {
	type row struct {
		N *int    `csv:"n"`
		S *string `csv:"s"`
		T string  `csv:"t"`
		O int     `csv:"o,omitempty"`
		F float64 `csv:"f"`
	}
	text := "n,s,t,o,f\nNA,\"NA\",NA,NA,1\n1,-,-,2,2\n,,x,,3\nNA,,,,NA\n"
	one := 1
	r := read(t, CSV[row](file(t, "in", text), Null("NA"), Null("-")), stage.Limit{})
	assert.Equal(t, []row{{F: 1}, {N: &one, O: 2, F: 2}, {T: "x", F: 3}}, r.items)
	assert.Equal(t, "iiie", r.order)
	assert.Contains(t, r.errs[0].Error(), `record 4, byte 43: column "f"`)
	assert.Equal(t, "NA,,,,NA", r.errs[0].Input)
}

func TestCSVOptions(t *testing.T) {
	text := "# about\nA;B\n 1; 'x;''y'\n# more\n2;z'z\n3\n"
	path := file(t, "in", text)
	for _, max := range limits() {
		opts := []Option{Comment('#'), Comma(';'), Quote('\''), TrimLeadingSpace(), PadShort(), LazyQuotes(), BlockSize(max.Items + 1)}
		got := all(t, Records(path, opts...), max)
		require.Equal(t, [][]string{{"1", "x;'y"}, {"2", "z'z"}, {"3", ""}}, fields(got))
		type pair struct{ A, B string }
		require.Equal(t, []pair{{"1", "x;'y"}, {"2", "z'z"}, {"3", ""}}, all(t, CSV[pair](path, opts...), max))
	}
	got := all(t, Records(file(t, "in", "a,b\n\"x,y\n"), Quote(0)), stage.Limit{})
	assert.Equal(t, [][]string{{"\"x", "y"}}, fields(got))
}

func TestCSVOptionsAreChecked(t *testing.T) {
	type pair struct{ A, B string }
	for want, fn := range map[string]func(){
		"penstock: source.Comment: r is '\\n', which cannot begin a comment":     func() { Comment('\n') },
		"penstock: source.Quote: r is 'a', want punctuation in ASCII":            func() { Quote('a') },
		"penstock: source.Quote: r is '€', want punctuation in ASCII":            func() { Quote('€') },
		"penstock: source.Header: there are no names; see NoHeader":              func() { Header() },
		"penstock: source.Columns: there are no names":                           func() { Columns() },
		"penstock: source.Columns: \"a\" comes twice":                            func() { Columns("a", "a") },
		"penstock: source.Records: Comma and Comment are the same":               func() { Records("x", Comma('#'), Comment('#')) },
		"penstock: source.Records: Comma and Quote are the same":                 func() { Records("x", Comma('\''), Quote('\'')) },
		"penstock: source.CSV: Comment and Quote are the same":                   func() { CSV[pair]("x", Comment('\''), Quote('\'')) },
		"penstock: source.Records: Columns needs names, and NoHeader has none":   func() { Records("x", Columns("a"), NoHeader()) },
		"penstock: source.Records: Columns and Header: missing column \"a\"":     func() { Records("x", Columns("a"), Header("b")) },
		"penstock: source.CSV: Columns and Header: missing columns \"A\", \"B\"": func() { CSV[pair]("x", Header("b")) },
		"penstock: source.CSV: Columns is an option of Records only":             func() { CSV[pair]("x", Columns("A")) },
		"penstock: source.CSV: Borrow is an option of Records only":              func() { CSV[pair]("x", Borrow()) },
		"penstock: source.Lines: LazyQuotes is an option of CSV, Records only":   func() { Lines("x", LazyQuotes()) },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
}

// settings of a CSV source, and the same of encoding/csv.
type csvSettings struct {
	comma, comment     rune
	lazy, trim, header bool
}

func (s csvSettings) options() (opts []Option) {
	opts = append(opts, Comma(s.comma), Comment(s.comment))
	for on, opt := range map[*bool]Option{&s.lazy: LazyQuotes(), &s.trim: TrimLeadingSpace()} {
		if *on {
			opts = append(opts, opt)
		}
	}
	if !s.header {
		opts = append(opts, NoHeader())
	}
	return opts
}

// plain is what encoding/csv makes of the text; an error in place of a record is
// nil.
func (s csvSettings) plain(text string) (rows [][]string, header error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.Comma, r.Comment, r.LazyQuotes, r.TrimLeadingSpace = s.comma, s.comment, s.lazy, s.trim
	r.FieldsPerRecord = -1 // it would count the fields of a record with an error
	width := 0
	for first := s.header; ; first = false {
		row, err := r.Read()
		if err == nil && width == 0 {
			width = len(row)
		}
		switch {
		case err == io.EOF:
			return rows, nil
		case err != nil && first:
			return nil, err
		case err != nil || len(row) != width:
			rows = append(rows, nil)
		case !first:
			rows = append(rows, row)
		}
	}
}

// sameRecords reads the file in one way and compares with encoding/csv.
func sameRecords(t require.TestingT, path, text string, s csvSettings, max stage.Limit, block int) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	want, header := s.plain(text)
	r := read(t, Records(path, append(s.options(), BlockSize(block))...), max)
	require.Equal(t, header == nil, r.err == nil, r.err)
	var got [][]string
	i := 0
	for _, kind := range r.order {
		if kind == 'e' {
			got = append(got, nil)
			continue
		}
		got = append(got, r.items[i].Append([]string{}))
		require.Equal(t, r.places[i], r.items[i].Position())
		i++
	}
	require.Equal(t, want, got)
}

func drawCSV(t *rapid.T) (text string, s csvSettings) {
	s = csvSettings{
		comma:   rapid.SampledFrom([]rune{',', ';', '\t', 'é'}).Draw(t, "comma"),
		comment: rapid.SampledFrom([]rune{0, '#', 'a'}).Draw(t, "comment"),
		lazy:    rapid.Bool().Draw(t, "lazy"), trim: rapid.Bool().Draw(t, "trim"), header: rapid.Bool().Draw(t, "header"),
	}
	field := rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("ab\",;\r\n é#"))),
		rapid.StringMatching(`[a-z]{0,3}`),
		rapid.StringMatching(`"([a-z,\n]|""){0,4}"`),
	)
	rows := rapid.SliceOf(rapid.SliceOfN(field, 3, 3)).Draw(t, "rows")
	end := rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(t, "end")
	for _, row := range rows {
		text += strings.Join(row, string(s.comma)) + end
	}
	return text, s
}

func TestRecordsAnyTextAnyLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		text, s := drawCSV(t)
		max := stage.Limit{Items: rapid.IntRange(0, 5).Draw(t, "items"), Bytes: rapid.Int64Range(0, 30).Draw(t, "bytes")}
		sameRecords(t, path, text, s, max, rapid.IntRange(1, 40).Draw(t, "block"))
	})
}

// Behind a pool, whatever its chunks, workers and order.
func TestRecordsBehindAPool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	rapid.Check(t, func(t *rapid.T) {
		text, s := drawCSV(t)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		want, header := s.plain(text)
		if header != nil {
			return
		}
		p := pool.New(rapid.IntRange(1, 4).Draw(t, "workers"))
		defer p.Close()
		opts := append(s.options(), BlockSize(rapid.IntRange(1, 100).Draw(t, "block")))
		chunk := pool.ChunkSize(rapid.SampledFrom([]int{0, 1, 2, 7, 100}).Draw(t, "chunk"))
		ordered := rapid.Bool().Draw(t, "ordered")
		imap := pool.Imap[Record, string]
		if !ordered {
			imap = pool.ImapUnordered[Record, string]
		}
		line := func(row []string) string { return strings.Join(row, "|") }
		counts := map[string]int{}
		var inOrder []string
		for v, err := range imap(p, Records(path, opts...), stage.Pure(func(r Record) string { return line(r.Append(nil)) }), chunk).All(context.Background()) {
			if _, ok := errors.AsType[*stage.ItemError](err); ok {
				v = "error"
			} else {
				require.NoError(t, err)
			}
			inOrder = append(inOrder, v)
			counts[v]++
		}
		var expected []string
		for _, row := range want {
			v := "error"
			if row != nil {
				v = line(row)
			}
			expected = append(expected, v)
			counts[v]--
		}
		if ordered {
			require.Equal(t, expected, inOrder)
		}
		for v, n := range counts {
			require.Zero(t, n, v)
		}
		// The fields outlive a Record in a Reduce that uses its memory again.
		if strings.Contains(strings.Join(expected, ""), "error") {
			return
		}
		for _, opts := range [][]Option{opts, append(opts, Borrow())} {
			got, err := pool.Reduce(context.Background(), p, Records(path, opts...), func() map[string]int { return map[string]int{} },
				func(_ context.Context, m map[string]int, r Record) (map[string]int, error) {
					for i := range r.Len() {
						m[strings.Clone(r.At(i))]++
					}
					return m, nil
				}, func(a, b map[string]int) (map[string]int, error) {
					for k, n := range b {
						a[k] += n
					}
					return a, nil
				}, chunk)
			require.NoError(t, err)
			fields := map[string]int{}
			for _, row := range want {
				for _, f := range row {
					fields[f]++
				}
			}
			require.Equal(t, fields, got)
		}
	})
}

// compressed reports whether a text begins as gzip or zstd does.
func compressed(text string) bool {
	return strings.HasPrefix(text, "\x1f") || strings.HasPrefix(text, "\x28\xb5") || len(text) > 1 && text[1:2] == "\x2a"
}

func FuzzRecords(f *testing.F) {
	path := filepath.Join(f.TempDir(), "in")
	for i, text := range []string{
		"1,2,3\n", "1,2\n1,2,3", "\"a\nb\",\"\"\"\",\n", "\"\r\n\",a\rb,\n", ",\"x\"y,\n1,2,3\n", "#\"a\n1,\"#\n2\"\n",
		"1,2,\"open\n1,2,3\n", "a\"b,c\n\n\r\n1,2,3\r", " \"a\"b\", \"\n\"\n", "\ufeff\"a\"\n",
	} {
		f.Add(text, uint8(0), uint8(1), uint8(i))
		f.Add(text, uint8(1), uint8(7), uint8(11*i))
	}
	f.Fuzz(func(t *testing.T, text string, items, block, how uint8) {
		if compressed(text) {
			return
		}
		s := csvSettings{comma: ',', lazy: how&1 != 0, trim: how&2 != 0, header: how&4 != 0}
		if how&8 != 0 {
			s.comment = '#'
		}
		if how&16 != 0 {
			s.comma = '€'
		}
		sameRecords(t, path, text, s, stage.Limit{Items: int(items)}, int(block)+1)
	})
}

func BenchmarkRecords(b *testing.B) {
	const rows = 1 << 16
	for name, row := range map[string]string{
		"plain": "2001-01-01T00:01:00,14,405,ABQ,PHX\n", "quoted": "2001-01-01T00:01:00,14,405,\"ABQ\",\"PHX\"\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := "date,delay,distance,origin,destination\n" + strings.Repeat(row, rows)
			benchmark(b, Records(file(b, "in", text)), len(text), rows)
		})
	}
}

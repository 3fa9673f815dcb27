package sweep

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func TestTable(t *testing.T) {
	r := made(2, 1900, map[int]float64{1: 500, 256: 2_000_000})
	r.Took = 90 * time.Second
	r.Failed = 3
	r.Rows[1].Spread = 0.004
	r.Rows[2].CreditWait = 1500 * time.Microsecond
	r.Rows[2].AllocsPerItem = 0.0125
	assert.Equal(t, `made: 1000 items a run, 3 of which fail; medians of 3 rounds after one to warm up; 90.0 s in all
mode        workers  chunk  settled  items/s  ns/item     run  spread  first item  allocs/item  B/item  heap MB  in flight  source wait  credit wait  sink wait
sequential        1      -        -   1.00 k  1000000  1.00 s       -     1.00 ms            0       0        0          -            -            -          -
ordered           2   auto       32   1.90 k   526316  526 ms       -     1.00 ms            0       0        0          -            0            0          0
ordered           2      1        1      500  2000000  2.00 s   0.4 %     1.00 ms            0       0        0          -            0            0          0
ordered           2    256      256   2.00 M      500  500 µs       -     1.00 ms        0.013       0        0          -            0      1.50 ms          0
`, written(t, r.WriteTable))

	r.Bytes = 5_000_000
	assert.Contains(t, written(t, r.WriteTable), "1000 items a run (5.00 MB), 3 of which")
	assert.Contains(t, written(t, r.WriteTable), "MB/s")
}

func TestMarkdown(t *testing.T) {
	r := made(2, 1900, map[int]float64{1: 500})
	r.Job, r.Description = "a|b", "two *stars*\nand a line"
	text := written(t, r.WriteMarkdown)
	assert.True(t, strings.HasPrefix(text, "## a\\|b\n\ntwo \\*stars\\* and a line\n\n2026-11-26. A &lt;CPU>, 2 cores, GOMAXPROCS 2, linux/amd64, go1.26.0. 1000 items"), text)
	assert.Contains(t, text, "\n\n**a\\|b: 1 item a chunk")
	assert.Contains(t, text, "\n| ordered | 2 | auto | 32 | 1.90 k |")
	bars := regexp.MustCompile(`(?m)^\|.*\|$`).FindAllString(text, -1)
	require.Len(t, bars, 5)
	for _, line := range bars {
		assert.Equal(t, strings.Count(bars[0], "|"), strings.Count(line, "|"))
	}
}

func TestCSV(t *testing.T) {
	r := made(2, 1900, map[int]float64{1: 500})
	records, err := csv.NewReader(strings.NewReader(written(t, r.WriteCSV))).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 4)
	col := map[string]int{}
	for i, name := range records[0] {
		col[name] = i
	}
	assert.Len(t, col, 25)
	for i, want := range []string{"", "0", "1"} {
		assert.Equal(t, want, records[1+i][col["chunk"]])
	}
	assert.Equal(t, "2000000000", records[3][col["median_ns"]])
	assert.Equal(t, "500", records[3][col["items_per_second"]])
	assert.Equal(t, "sequential", records[1][col["mode"]])
}

func TestJSONComesBack(t *testing.T) {
	r := made(2, 1900, map[int]float64{1: 500, 16: 900})
	var back Report
	require.NoError(t, json.Unmarshal([]byte(written(t, r.WriteJSON)), &back))
	assert.Equal(t, *r, back)
}

// odd are reports that are not as usual.
func odd() map[string]*Report {
	tiny := made(1, 1, nil)
	tiny.Rows = nil
	unsettled := made(1, 3, map[int]float64{7: 2})
	unsettled.Rows[0].Settled = 0
	crowded := made(1, 1e7, map[int]float64{100: 1e6, 101: 1e6, 102: 1e6, 5000: 2.5e7})
	instant := made(1, 5000, map[int]float64{1: 5000})
	for i := range instant.Rows {
		instant.Rows[i].FirstItem = 0
	}
	instant.Baseline.FirstItem = 0
	return map[string]*Report{
		"no row": tiny, "automatic alone": made(2, 10, nil), "unsettled": unsettled, "crowded": crowded, "instant": instant,
		"usual": made(2, 1900, map[int]float64{1: 500, 16: 1910, 256: 2000, 4096: 1700}),
	}
}

func TestPlots(t *testing.T) {
	for name, r := range odd() {
		for kind, write := range map[string]func(io.Writer, Format) error{"throughput": r.WriteThroughput, "latency": r.WriteLatency} {
			svg := written(t, func(w io.Writer) error { return write(w, SVG) })
			require.NoError(t, xml.Unmarshal([]byte(svg), new(struct{})), "%s: %s", name, kind)
			assert.NotContains(t, svg, "NaN", "%s: %s", name, kind)
			assert.NotContains(t, svg, "Inf", "%s: %s", name, kind)
			assert.Contains(t, svg, ">chunk size (items)<")
			assert.Contains(t, svg, ">plain loop, no pool<")
		}
	}
	picture, err := png.Decode(strings.NewReader(written(t, func(w io.Writer) error { return odd()["usual"].WriteThroughput(w, PNG) })))
	require.NoError(t, err)
	assert.Equal(t, 1280, picture.Bounds().Dx())
	require.EqualError(t, odd()["usual"].WriteLatency(io.Discard, "gif"), `sweep: no format "gif" for plots: want svg or png`)
}

func TestPage(t *testing.T) {
	r := made(2, 1900, map[int]float64{1: 500, 16: 1910})
	r.Job, r.Description = `<script>alert("job")</script>`, "a & b <b>"
	page := written(t, func(w io.Writer) error { return WriteHTML(w, r, made(1, 3, nil)) })
	assert.NotContains(t, page, "<script")
	assert.NotContains(t, page, "<?xml")
	assert.NotContains(t, page, "<b>")
	assert.Contains(t, page, "a &amp; b &lt;b&gt;")
	assert.Contains(t, page, "A &lt;CPU&gt;, 2 cores")
	assert.Contains(t, page, "26 November 2026, 09:30 UTC")
	assert.Equal(t, 4, strings.Count(page, "<svg"))
	assert.Contains(t, page, `<tr class="best">`)
	for _, address := range regexp.MustCompile(`https?://[^"]*`).FindAllString(page, -1) {
		assert.True(t, strings.HasPrefix(address, "http://www.w3.org/"), "%s: the page needs nothing from elsewhere", address)
	}
	assert.NotEmpty(t, written(t, func(w io.Writer) error { return WriteHTML(w) }))
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "report")
	a, b := made(1, 3, map[int]float64{1: 2}), made(1, 3, map[int]float64{1: 2})
	b.Job = "5 µs: ../MADE"
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "made.csv"), []byte("earlier"), 0o600))
	require.NoError(t, WriteDir(dir, a))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Len(t, names, 1+7)
	assert.Subset(t, names, []string{"index.html", "made.csv", "made.json", "made.md", "made-latency.png", "made-throughput.svg"})
	csv, err := os.ReadFile(filepath.Join(dir, "made.csv"))
	require.NoError(t, err)
	assert.Equal(t, written(t, a.WriteCSV), string(csv))
	assert.Equal(t, []string{"made", "made-2", "5-us-made", "made-3"}, fileNames([]*Report{a, a, b, a}))
	assert.Equal(t, "job", fileName("///"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	require.Error(t, WriteDir(filepath.Join(dir, "file"), a))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "other", "made.md"), 0o700))
	require.Error(t, WriteDir(filepath.Join(dir, "other"), a))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatIsFull(t *testing.T) {
	r := odd()["usual"]
	for name, write := range map[string]func(io.Writer) error{
		"table": r.WriteTable, "Markdown": r.WriteMarkdown, "CSV": r.WriteCSV, "JSON": r.WriteJSON,
		"page": func(w io.Writer) error { return WriteHTML(w, r) },
		"plot": func(w io.Writer) error { return r.WriteThroughput(w, SVG) },
	} {
		require.EqualError(t, write(full{}), "no space left", name)
	}
}

func TestTicks(t *testing.T) {
	labels := func(report *Report) (sizes, linear, times []string) {
		for _, tick := range sizeTicks([]int{1, 100, 101, 102, 5000}, 1, 6000) {
			sizes = append(sizes, tick.Label)
		}
		for _, tick := range linearTicks(report.fastest()) {
			linear = append(linear, tick.Label)
		}
		for _, tick := range timeTicks(8e3, 3e6) {
			if tick.Label != "" {
				times = append(times, tick.Label)
			}
		}
		return sizes, linear, times
	}
	sizes, linear, times := labels(made(1, 1, map[int]float64{1: 3000}))
	assert.Equal(t, []string{"1", "100", "", "", "5000"}, sizes)
	assert.Equal(t, []string{"0", "500", "1000", "1500", "2000", "2500", "3000"}, linear)
	assert.Equal(t, []string{"10 µs", "20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms"}, times)
	for top := 0.013; top < 1e12; top *= 1.37 {
		n := len(linearTicks(top))
		assert.True(t, n >= 3 && n <= 8, "%d ticks up to %g", n, top)
	}
	assert.Equal(t, "10 s", short(10*time.Second))
	assert.Equal(t, "5 ns", short(5))
}

func TestUnits(t *testing.T) {
	for want, got := range map[string]string{
		"0": three(0), "0.000": three(0.0001), "0.012": three(0.0123), "1.23": three(1.234), "12.3": three(12.34), "1235": three(1234.6),
		"999": metric(999), "1.00 k": metric(999.9), "12.3 k": metric(12345), "5.00 M": metric(5e6), "2.50 G": metric(2.5e9),
		"12.0 ns": period(12), "1.50 µs": period(1500), "2.00 ms": period(2 * time.Millisecond), "3.00 s": period(3 * time.Second),
		"1 item": plural(1, "item"), "9999 items": plural(9999, "item"), "10,000 items": plural(10_000, "item"), "1,234,567 items": plural(1_234_567, "item"), "2 items": plural(2, "item"), "0.4 %": percent(0.004), "40 %": percent(0.4),
	} {
		assert.Equal(t, want, got)
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// plain is the group-by as encoding/csv and math/big have it.
type plain struct {
	rows, missing int64
	sum           *big.Rat
}

func plainly(t require.TestingT, in io.Reader, by, of string) (groups map[string]*plain, skipped int64) {
	r := csv.NewReader(in)
	header, err := r.Read()
	require.NoError(t, err)
	at := map[string]int{}
	for i, name := range header {
		at[name] = i
	}
	groups = map[string]*plain{}
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return groups, skipped
		}
		require.NoError(t, err)
		value := new(big.Rat)
		if s := fields[at[of]]; s != "" {
			if _, ok := value.SetString(s); !ok {
				skipped++
				continue
			}
		}
		g := groups[fields[at[by]]]
		if g == nil {
			g = &plain{sum: new(big.Rat)}
			groups[fields[at[by]]] = g
		}
		g.rows++
		if fields[at[of]] == "" {
			g.missing++
		}
		g.sum.Add(g.sum, value)
	}
}

// same compares a result with the plain one.
func same(t require.TestingT, want map[string]*plain, got result) {
	require.Len(t, got.groups, len(want))
	var rows int64
	for _, g := range got.groups {
		w := want[g.key]
		require.NotNil(t, w, "%q", g.key)
		require.Equal(t, w.rows, g.rows)
		require.Equal(t, w.missing, g.missing)
		rows += g.rows
		mean, ok := g.mean()
		require.Equal(t, w.rows > w.missing, ok)
		if !ok {
			require.True(t, math.IsNaN(mean))
			continue
		}
		sum, _ := w.sum.Float64()
		n := float64(w.rows - w.missing)
		require.InDelta(t, sum/n, mean, 1e-9*max(1, math.Abs(sum/n)))
	}
	require.Equal(t, rows, got.rows)
}

// Whatever the rows, the files, how they are packed and how many workers there
// are: the plain answer.
func TestAgainstThePlainAnswer(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var all strings.Builder
		all.WriteString("delay,note,origin\n")
		j := job{by: "origin", of: "delay", skipBad: math.MaxInt, workers: rapid.IntRange(1, 4).Draw(t, "workers")}
		for file := range rapid.IntRange(1, 3).Draw(t, "files") {
			var rows strings.Builder
			w := csv.NewWriter(&rows)
			for range rapid.IntRange(0, 700).Draw(t, "rows") {
				require.NoError(t, w.Write([]string{
					rapid.SampledFrom([]string{"", "0", "-7", "+12", "1440", "12.25", "-0.5", "late", "1 2", "000000000000000000042"}).Draw(t, "delay"),
					rapid.SampledFrom([]string{"x", "a,b", "say \"so\"", "two\nlines"}).Draw(t, "note"),
					rapid.SampledFrom([]string{"", "SFO", "LAX", "a,b", "é", "J\"K"}).Draw(t, "origin"),
				}))
			}
			w.Flush()
			require.NoError(t, w.Error())
			all.WriteString(rows.String())
			path := filepath.Join(folder, fmt.Sprint(file))
			require.NoError(t, os.WriteFile(path, packed(t, "delay,note,origin\n"+rows.String()), 0o600))
			j.in = append(j.in, path)
		}
		want, skipped := plainly(t, strings.NewReader(all.String()), j.by, j.of)
		var seen atomic.Int64
		got, err := j.run(t.Context(), &seen)
		require.NoError(t, err)
		require.Equal(t, skipped, got.skipped)
		require.Equal(t, skipped > 0, got.first != nil)
		same(t, want, got)
	})
}

// packed is a text as one of the formats has it.
func packed(t *rapid.T, text string) []byte {
	var b bytes.Buffer
	switch rapid.SampledFrom([]string{"plain", "gzip", "zstd"}).Draw(t, "packed") {
	case "gzip":
		w := gzip.NewWriter(&b)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case "zstd":
		w, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		_, err = io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

func TestRealData(t *testing.T) {
	path, err := command.Data(data)
	require.NoError(t, err)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	unpacked, err := zstd.NewReader(file)
	require.NoError(t, err)
	defer unpacked.Close()
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	for _, columns := range [][2]string{{"origin", "delay"}, {"destination", "distance"}} {
		want, skipped := plainly(t, bytes.NewReader(text), columns[0], columns[1])
		assert.Zero(t, skipped)
		for _, workers := range []int{1, 3} {
			j := job{in: []string{path}, by: columns[0], of: columns[1], workers: workers}
			var seen atomic.Int64
			got, err := j.run(t.Context(), &seen)
			require.NoError(t, err)
			same(t, want, got)
			assert.InDelta(t, len(text), got.bytes, 64<<10)
			assert.InDelta(t, got.rows, seen.Load(), sampling*3)
		}
	}
}

// Of several bad rows the first in the order of the files is shown, whichever
// worker met it.
func TestFirstBadRow(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"b", "a"} {
		write(t, filepath.Join(folder, name), "origin,delay\n"+strings.Repeat("SFO,1\n", 20_000)+"SFO,"+name+"\n"+strings.Repeat("SFO,x\n", 20_000))
	}
	j := job{
		in: []string{filepath.Join(folder, "b"), filepath.Join(folder, "a")},
		by: "origin", of: "delay", workers: 4, skipBad: 40_002,
	}
	var seen atomic.Int64
	got, err := j.run(t.Context(), &seen)
	require.NoError(t, err)
	assert.EqualValues(t, 40_002, got.skipped)
	assert.EqualError(t, got.first, j.in[0]+`: record 20001, byte 120013: delay: "b" is no number: invalid syntax`)
	j.skipBad--
	_, err = j.run(t.Context(), &seen)
	assert.ErrorIs(t, err, strconv.ErrSyntax)
}

func TestSumsBeyondInt64(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.csv")
	write(t, path, "k,v\n"+strings.Repeat("up,9223372036854775807\ndown,-9223372036854775808\n", 9)+"up,1\ndown,-1\n")
	j := job{in: []string{path}, by: "k", of: "v", workers: 2}
	var seen atomic.Int64
	got, err := j.run(t.Context(), &seen)
	require.NoError(t, err)
	for _, g := range got.groups {
		mean, ok := g.mean()
		require.True(t, ok)
		assert.InEpsilon(t, 0.9*math.MaxInt64, math.Abs(mean), 1e-12, g.key)
		assert.Equal(t, g.key == "up", mean > 0)
	}
}

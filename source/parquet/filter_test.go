package parquet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/stage"
)

// ranked has columns to compare.
type ranked struct {
	ID    int64     `parquet:"id"`
	Small int32     `parquet:"small"`
	Big   uint64    `parquet:"big"`
	Real  float64   `parquet:"real"`
	Half  float32   `parquet:"half"`
	Name  string    `parquet:"name"`
	At    time.Time `parquet:"at,timestamp(millisecond)"`
	Nano  time.Time `parquet:"nano"`
	Maybe *int64    `parquet:"maybe"`
}

// What a range passes over must be exactly nothing that a plain filter keeps.
func TestRangesAgainstAPlainFilter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.IntRange(1, 200).Draw(t, "rows")
		spread := rapid.IntRange(1, 50).Draw(t, "spread")
		rows := make([]ranked, n)
		for i := range rows {
			v := int64(i/3 + random.IntN(spread) - 20)
			at := midnight.Add(time.Duration(v) * 1500 * time.Microsecond)
			rows[i] = ranked{
				ID: int64(i), Small: int32(v), Big: uint64(v + 20), Real: float64(v) / 2, Half: float32(v), Name: fmt.Sprintf("%04d", v+20),
				At: at.Truncate(time.Millisecond), Nano: at,
			}
			if random.IntN(4) > 0 {
				rows[i].Maybe = &v
			}
		}
		require.NoError(t, os.WriteFile(path, encoded(t, rapid.IntRange(1, 100).Draw(t, "group"), rows, writerOptions(t)...), 0o600))
		low := int64(rapid.IntRange(-30, 100).Draw(t, "low"))
		high := low + int64(rapid.IntRange(-2, 60).Draw(t, "width"))
		from, to := midnight.Add(time.Duration(low)*time.Millisecond), midnight.Add(time.Duration(high)*time.Millisecond)
		in := func(v int64) bool { return low <= v && v <= high }
		during := func(v time.Time) bool { return !v.Before(from) && !v.After(to) }
		tests := map[string]struct {
			opt  Option
			keep func(ranked) bool
		}{
			"id":    {Between("id", low, high), func(r ranked) bool { return in(r.ID) }},
			"small": {Between("small", int32(low), int32(high)), func(r ranked) bool { return in(int64(r.Small)) }},
			"big":   {Between("big", low, high), func(r ranked) bool { return in(int64(r.Big)) }},
			"real":  {Between("real", float64(low), float64(high)), func(r ranked) bool { return r.Real >= float64(low) && r.Real <= float64(high) }},
			"half":  {Between("half", low, high), func(r ranked) bool { return in(int64(r.Half)) }},
			"name": {Between("name", fmt.Sprintf("%04d", low), fmt.Sprintf("%04d", high)), func(r ranked) bool {
				return r.Name >= fmt.Sprintf("%04d", low) && r.Name <= fmt.Sprintf("%04d", high)
			}},
			"at":    {Between("at", from, to), func(r ranked) bool { return during(r.At) }},
			"nano":  {Between("nano", from, to), func(r ranked) bool { return during(r.Nano) }},
			"maybe": {Between("maybe", low, high), func(r ranked) bool { return r.Maybe != nil && in(*r.Maybe) }},
			"least": {AtLeast("small", low), func(r ranked) bool { return int64(r.Small) >= low }},
			"most":  {AtMost("small", high), func(r ranked) bool { return int64(r.Small) <= high }},
		}
		limit := rapid.SampledFrom(limits()).Draw(t, "limit")
		for name, test := range tests {
			var want []ranked
			for _, r := range rows {
				if test.keep(r) {
					want = append(want, r)
				}
			}
			s := Source[ranked](path, test.opt)
			kept, err := s.Filter(test.keep).Collect(context.Background())
			require.NoError(t, err)
			require.Equal(t, want, append([]ranked(nil), kept...), name)
			got, places, err := read(t, s, limit)
			require.NoError(t, err)
			for i, r := range got {
				require.Equal(t, rows[r.ID], r)
				require.Equal(t, r.ID, places[i].Record)
			}
			type id struct {
				ID   int64    `parquet:"id"`
				Tags []string `parquet:"-"`
			}
			require.Len(t, all(t, Source[id](path, test.opt), limit), len(got), "a column that T lacks")
		}
	})
}

func TestRangesPassOverGroupsAndPages(t *testing.T) {
	path := written(t, 1000, flights(5000), parquet.PageBufferSize(800))
	n := func(opts ...Option) int {
		return len(all(t, Source[flight](path, opts...), stage.Limit{}))
	}
	hour := func(h int) time.Time { return midnight.Add(time.Duration(h) * time.Hour) }
	assert.Equal(t, 5000, n())
	assert.Equal(t, 5000, n(AtLeast("delay", 0)), "every page has such a row")
	assert.Zero(t, n(AtLeast("delay", 100)))
	assert.Zero(t, n(AtMost("date", hour(-1))))
	some := n(Between("date", hour(1), hour(2)))
	assert.Greater(t, some, 60)
	assert.Less(t, some, 400, "pages are passed over, not only row groups")
	assert.Equal(t, some, n(Between("date", hour(1), hour(2)), Between("miles", 600, 1200)), "the same rows")
	assert.Zero(t, n(Between("date", hour(1), hour(2)), AtLeast("miles", 40_000)), "both must hold")
	assert.Less(t, n(AtLeast("miles", 49_990)), 150)
}

func TestRangesThatCannotBe(t *testing.T) {
	path := written(t, 1000, flights(10))
	for want, opt := range map[string]Option{
		`missing column "tail"`: AtLeast("tail", 1),
		`column "origin": STRING cannot be compared with 1 <= origin`:                                    AtLeast("origin", 1),
		`column "miles": INT(64,true) cannot be compared with miles <= LAS`:                              AtMost("miles", "LAS"),
		`column "date": TIMESTAMP(isAdjustedToUTC=true,unit=MICROS) cannot be compared with date <= 0.5`: AtMost("date", 0.5),
	} {
		_, err := Source[flight](path, opt).Collect(t.Context())
		require.EqualError(t, err, "source: "+path+": "+want)
	}
}

package parquet

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// duckRow is a row of testdata/duckdb.parquet, which DuckDB 1.5 wrote:
//
//	COPY (SELECT i AS id, CASE WHEN i%3>0 THEN i*10 END AS maybe, 'k'||(i%5) AS key, i%2=0 AS even, i/4 AS quarter,
//	  TIMESTAMP '2001-01-01 00:00:00' + INTERVAL (i) MINUTE AS at, CASE WHEN i%7>0 THEN [i, -i] ELSE [] END AS pair
//	  FROM range(103) t(i)) TO 'duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)
//
// Every column of it may be null, and packed runs are filled up to 256 values.
type duckRow struct {
	ID      int64     `parquet:"id"`
	Maybe   *int64    `parquet:"maybe"`
	Key     string    `parquet:"key"`
	Even    bool      `parquet:"even"`
	Quarter float64   `parquet:"quarter"`
	At      time.Time `parquet:"at"`
}

type duckPair struct {
	ID   int64   `parquet:"id"`
	Pair []int64 `parquet:"pair,list"`
}

func TestFileOfDuckDB(t *testing.T) {
	path := filepath.Join("testdata", "duckdb.parquet")
	for _, limit := range []int{0, 1, 10} {
		rows, _, err := read(t, Source[duckRow](path), stage.Limit{Items: limit})
		require.NoError(t, err)
		require.Len(t, rows, 103)
		for i, r := range rows {
			n := int64(i)
			want := duckRow{
				ID: n, Key: fmt.Sprintf("k%d", n%5), Even: n%2 == 0, Quarter: float64(n) / 4,
				At: time.Date(2001, 1, 1, 0, i, 0, 0, time.UTC),
			}
			if n%3 > 0 {
				ten := 10 * n
				want.Maybe = &ten
			}
			r.At = r.At.UTC()
			require.Equal(t, want, r)
		}
	}
}

func TestListsOfDuckDB(t *testing.T) {
	rows, _, err := read(t, Source[duckPair](filepath.Join("testdata", "duckdb.parquet")), stage.Limit{})
	require.NoError(t, err)
	require.Len(t, rows, 103)
	for i, r := range rows {
		want := []int64{int64(i), -int64(i)}
		if i%7 == 0 {
			want = []int64{}
		}
		require.Equal(t, int64(i), r.ID)
		assert.ElementsMatch(t, want, r.Pair)
	}
}

//go:build !race

// Under the race detector half a million rows take too long for what they show.

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/examples/internal/letters"
)

// The figures are those of data/README.md, less the three rows that are more than
// a day late.
func TestAllRealData(t *testing.T) {
	data, err := command.Data(data)
	require.NoError(t, err)
	j := job{in: []string{data}, out: filepath.Join(t.TempDir(), "flights.db"), minDelay: minDelay}
	res := load(t, j)
	assert.EqualValues(t, 508_239, res.Read)
	assert.EqualValues(t, 508_236, res.Written)
	assert.EqualValues(t, 3, res.DeadLettered)

	var rows, miles, airports int64
	require.NoError(t, openSQL(t, j.out).QueryRowContext(t.Context(),
		"SELECT count(*), sum(distance), count(DISTINCT origin) FROM flights").Scan(&rows, &miles, &airports))
	assert.EqualValues(t, 508_236, rows)
	assert.EqualValues(t, 369_781_288-1310-2*3972, miles)
	assert.EqualValues(t, 223, airports)
	var lines []int64
	for _, r := range letterFile(t, letters.File(j.out)) {
		lines = append(lines, r.Line)
	}
	assert.Equal(t, []int64{91_322, 127_954, 312_398}, lines)
}

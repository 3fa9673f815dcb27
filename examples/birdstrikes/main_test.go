package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/source"
	reading "github.com/penstock-go/penstock/source/parquet"

	"github.com/penstock-go/penstock/examples/internal/letters"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "BIRDSTRIKES_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := command.Program{Name: "birdstrikes", Stdout: os.Stdout, Stderr: os.Stderr, Every: 5 * time.Millisecond}
		os.Exit(run(&c, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

const header = "Airport Name,Aircraft Make Model,Effect Amount of damage,Flight Date,Aircraft Airline Operator,Origin State," +
	"Phase of flight,Wildlife Size,Wildlife Species,Time of day,Cost Other,Cost Repair,Cost Total $,Speed IAS in knots\n"

const good = "NEW ORLEANS INTL,B-737-300,Substantial,1990-01-11,SOUTHWEST AIRLINES,Louisiana,Take-off run,Small,Rock pigeon,Day,0,0,0,140"

// changed is the good row with other values in some columns.
func changed(values map[int]string) string {
	fields := strings.Split(good, ",")
	for i, v := range values {
		fields[i] = v
	}
	return strings.Join(fields, ",")
}

// write makes a file of lines under the header.
func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(header+strings.Join(lines, "\n")+"\n"), 0o600))
}

// stored are the rows of a Parquet file.
func stored(t *testing.T, path string) []Strike {
	t.Helper()
	all, err := reading.Source[Strike](path).Collect(t.Context())
	require.NoError(t, err)
	return all
}

// rejects are the lines of a dead-letter file.
func rejects(t *testing.T, path string) []letters.Rejected {
	t.Helper()
	all, err := source.NDJSON[letters.Rejected](path).Collect(t.Context())
	require.NoError(t, err)
	return all
}

// files are the names in a folder, and what is in them.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	all := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			all[e.Name()] = "a folder"
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(t, err)
		all[e.Name()] = string(text)
	}
	return all
}

// load runs a job that must go well.
func load(t *testing.T, j job) result {
	t.Helper()
	res, err := j.run(t.Context(), func(Strike) {})
	require.NoError(t, err)
	require.True(t, res.published)
	assert.Equal(t, res.Read, res.Written+res.DeadLettered)
	return res
}

// before is a folder with an input and the outputs of an earlier run.
func before(t *testing.T) (folder string, j job) {
	t.Helper()
	folder = t.TempDir()
	j = job{in: []string{filepath.Join(folder, "in.csv")}, out: filepath.Join(folder, "out.parquet"), workers: 2}
	write(t, j.in[0], good, "not a row", good)
	load(t, j)
	return folder, j
}

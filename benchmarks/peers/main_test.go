package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJSONHasAnObjectALine(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-json", "-case", "^ordered/noop/chunk1$"}, &out, &errs)
	require.Zero(t, code, errs.String())

	impls := map[string]map[string]any{}
	for line := range strings.Lines(out.String()) {
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &object), line)
		assert.Equal(t, "ordered/noop/chunk1", object["case"])
		assert.Contains(t, object, "ns_per_item")
		assert.Contains(t, object, "allocs_per_item")
		require.Contains(t, object, "vs_best_peer")
		impl, ok := object["impl"].(string)
		require.True(t, ok, line)
		impls[impl] = object
	}
	for _, name := range []string{"penstock", "sequential", "rill", "conc", "go-streams", "pond", "errgroup"} {
		assert.Contains(t, impls, name)
	}
	assert.NotNil(t, impls["penstock"]["vs_best_peer"])
	assert.Nil(t, impls["rill"]["vs_best_peer"])
}

func TestTableHasALineARow(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-case", "chain5", "-impl", "penstock|sequential"}, &out, &errs)
	require.Zero(t, code, errs.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 5, "a head, two rows, an empty line and the machine:\n%s", out.String())
	assert.Contains(t, lines[0], "ns/item")
	assert.Contains(t, lines[4], "GOMAXPROCS 2")
}

func TestProfilesAreWritten(t *testing.T) {
	cpu, mem := filepath.Join(t.TempDir(), "cpu"), filepath.Join(t.TempDir(), "mem")
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-case", "chain5", "-cpuprofile", cpu, "-memprofile", mem}, &out, &errs)
	require.Zero(t, code, errs.String())
	for _, name := range []string{cpu, mem} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Positive(t, info.Size())
	}
}

func TestWrongArgumentsExitWith2(t *testing.T) {
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"-suite", "none"}, `no suite "none"`},
		{[]string{"-case", "("}, "-case: "},
		{[]string{"-impl", "("}, "-impl: "},
		{[]string{"-case", "nowhere"}, "no case of suite engine matches"},
		{[]string{"-rounds", "0"}, "-rounds is 0"},
		{[]string{"stray"}, `unexpected argument "stray"`},
		{[]string{"-bogus"}, "flag provided but not defined"},
	} {
		var out, errs bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), test.args, &out, &errs), "%q", test.args)
		assert.Contains(t, errs.String(), test.says)
		assert.Empty(t, out.String())
	}
}

func TestAProfileThatCannotBeWrittenExitsWith1(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "file")
	for _, flag := range []string{"-cpuprofile", "-memprofile"} {
		var out, errs bytes.Buffer
		assert.Equal(t, 1, run(t.Context(), []string{"-quick", "-case", "chain5", flag, missing}, &out, &errs))
		assert.Contains(t, errs.String(), missing)
	}
}

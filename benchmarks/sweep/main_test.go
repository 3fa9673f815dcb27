package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "SWEEP_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := command{stdout: os.Stdout, stderr: os.Stderr, write: sweep.WriteDir} // a line of progress after each run
		os.Exit(c.run(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// lines writes a file of n lines into the current folder and returns its name.
func lines(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "2001-01-01 05:%02d,%d,337,SFO,LAX\n", i%60, i%90)
	}
	const name = "in.csv"
	require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o600))
	return name
}

// files are the names of what is in a folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

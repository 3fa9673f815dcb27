package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "GROUPBY_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := program{stdout: os.Stdout, stderr: os.Stderr, every: 5 * time.Millisecond}
		os.Exit(c.run(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

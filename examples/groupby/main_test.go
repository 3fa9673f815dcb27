package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "GROUPBY_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := command.Program{Name: "groupby", Stdout: os.Stdout, Stderr: os.Stderr, Every: 5 * time.Millisecond}
		os.Exit(run(&c, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

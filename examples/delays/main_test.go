package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runCommand runs the command in this process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	c := command.Program{Name: "delays", Stdout: &out, Stderr: &errs, Every: time.Hour}
	code = run(&c, args)
	return code, regexp.MustCompile(`[\d.]+ s, \d+ flights per second`).ReplaceAllString(out.String(), "T s"), errs.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

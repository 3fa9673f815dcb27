package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/examples/internal/command"
)

// asCommand makes the test binary the command itself; see TestSignal.
const asCommand = "CONVERT_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		c := command.Program{Name: "convert", Stdout: os.Stdout, Stderr: os.Stderr, Every: 5 * time.Millisecond}
		os.Exit(run(&c, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

const header = "date,delay,distance,origin,destination\n"

// rows are n lines of CSV, with what formats may stumble over.
func rows(n int) []string {
	codes := []string{"SFO", "LAX", `"Q""UOTE"`, `"COM,MA"`, "ÖRE", `"A` + "\n" + `B"`, " x"}
	codes[6] = `" x"` // a space in front is quoted
	start := time.Date(2001, time.January, 1, 5, 0, 0, 0, time.UTC)
	lines := make([]string, n)
	for i := range lines {
		at := start.Add(time.Duration(i) * time.Minute)
		text := at.Format(minutes)
		switch i % 10 {
		case 3:
			text = at.Add(7 * time.Second).Format(seconds)
		case 7:
			text = at.Add(7*time.Second + 120*time.Microsecond).Format(fraction)
		}
		lines[i] = fmt.Sprintf("%s,%d,%d,%s,%s", text, i*7%200-50, 100+i*37%4000, codes[i%len(codes)], codes[(i+1+i%3)%len(codes)])
	}
	return lines
}

func text(lines []string) string {
	if len(lines) == 0 {
		return header
	}
	return header + strings.Join(lines, "\n") + "\n"
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// names are those in a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return out
}

// runCommand runs the command in this process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	c := command.Program{Name: "convert", Stdout: &out, Stderr: &errs, Every: time.Hour}
	code = run(&c, args)
	return code, out.String(), errs.String()
}

// convert runs a conversion that must go well.
func convert(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := runCommand(args...)
	require.Equal(t, command.OK, code, stderr)
	return stdout
}

// fail runs one that must not.
func fail(t *testing.T, args ...string) (stderr string) {
	t.Helper()
	code, stdout, stderr := runCommand(args...)
	require.Equal(t, command.Failed, code, stderr)
	assert.Empty(t, stdout)
	return stderr
}

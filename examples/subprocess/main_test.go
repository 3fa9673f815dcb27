package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// TestMain makes the test binary the function, as which the program runs itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asFunction {
		os.Exit(serve(os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// runCommand runs the command in this process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(&command.Program{Name: "subprocess", Stdout: &out, Stderr: &errs}, args)
	return code, regexp.MustCompile(`[\d.]+ s, \d+ lines`).ReplaceAllString(out.String(), "T s, N lines"), errs.String()
}

// functions are those that there are here.
func functions() []string {
	if _, err := exec.LookPath(python); err != nil {
		return []string{itself}
	}
	return []string{python, itself}
}

const small = "aaaa\nabab\n\nabcd\n\"q\\u\"\n\u00e9\u00e8\n"

func TestReport(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.txt")
	require.NoError(t, os.WriteFile(in, []byte(small), 0o600))
	for _, f := range functions() {
		for _, flags := range []string{"-pipeline 1", "-workers 1", "-pipeline 7 -workers 2"} {
			code, stdout, stderr := runCommand(append(strings.Fields(flags), "-function", f, in)...)
			require.Equal(t, command.OK, code, stderr)
			assert.Equal(t, "subprocess: reading "+in+", asking "+f+"\n", stderr)
			assert.Equal(t, `Lines             5
Characters       19
Bits          1.243 of a character; from 0.000 to 2.000 in a line
T s, N lines per second
`, stdout)
		}
	}
}

// The two functions say the same of real lines, and so does the plain loop.
func TestNoFlags(t *testing.T) {
	want := `Lines         10001
Characters  1203329
Bits          5.028 of a character; from 4.576 to 5.296 in a line
T s, N lines per second
`
	for _, f := range functions() {
		code, stdout, stderr := runCommand("-function", f)
		require.Equal(t, command.OK, code, stderr)
		assert.Equal(t, want, stdout, f)
	}
	code, _, stderr := runCommand()
	require.Equal(t, command.OK, code)
	assert.Contains(t, stderr, "asking "+functions()[0])
}

func TestNothingToRead(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.txt")
	require.NoError(t, os.WriteFile(in, nil, 0o600))
	code, stdout, _ := runCommand(in)
	require.Equal(t, command.OK, code)
	assert.Equal(t, "Lines             0\nCharacters        0\nT s, N lines per second\n", stdout)
}

func TestFailures(t *testing.T) {
	for args, text := range map[string]string{
		"-workers -1":    "-workers is -1, want 0 or more",
		"-pipeline 0":    "-pipeline is 0, want 1 or more",
		"-function perl": `-function is "perl", want python3 or itself`,
		"a b":            "2 files, want one",
		"-no-such-flag":  "flag provided but not defined",
	} {
		code, stdout, stderr := runCommand(strings.Fields(args)...)
		assert.Equal(t, command.Usage, code, args)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, text)
	}
	code, _, stderr := runCommand("-h")
	assert.Equal(t, command.OK, code)
	assert.Contains(t, stderr, "Usage: subprocess")
	code, _, stderr = runCommand("/no/such/file")
	assert.Equal(t, command.Failed, code)
	assert.Contains(t, stderr, "/no/such/file")
}

// What a function says when it fails is in the error.
func TestFunctionFails(t *testing.T) {
	says := map[string]string{python: "TypeError", itself: "cannot unmarshal number"}
	for _, f := range functions() {
		j, err := parse([]string{"-function", f}, os.Stderr)
		require.NoError(t, err)
		asks := stage.Command{Args: j.args, InheritEnv: []string{"PATH", "HOME"}}
		_, err = stage.Exec(source.Of(`{"text": 1}`), asks).Collect(t.Context())
		var p *stage.ProcessError
		require.ErrorAs(t, err, &p)
		assert.Contains(t, p.Stderr, says[f])
		assert.Equal(t, "exit status 1", p.State.String())
	}
}

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", text(rows(1000)))
	code, stdout, stderr := runCommand("in.csv", "out.ndjson")
	require.Equal(t, command.OK, code)
	assert.Equal(t, "convert: reading in.csv\n", stderr)
	stdout = regexp.MustCompile(`\d+\.\d\d s, \d+ rows per second, [\d.]+ MB/s read, [\d.]+ MB/s`).ReplaceAllString(stdout, "T s, N rows per second, R MB/s read, W MB/s")
	assert.Equal(t, `Read          1000 rows  0.04 MB of csv in 1 file
Written       1000 rows  0.09 MB of ndjson in 1 file: out.ndjson
Left out         0 rows
T s, N rows per second, R MB/s read, W MB/s written
`, stdout)
	assert.Equal(t, []string{"in.csv", "out.ndjson"}, names(t, "."))
}

func TestNoArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	out := convert(t)
	assert.Contains(t, out, "Read        508239 rows  2.16 MB of csv in 1 file\n")
	assert.Contains(t, out, "Written     508239 rows  ")
	assert.Equal(t, []string{"flights.parquet"}, names(t, "."))
	in, err := command.Data(data)
	require.NoError(t, err)
	convert(t, "flights.parquet", "a.csv")
	convert(t, in, "b.csv")
	if read(t, "a.csv") != read(t, "b.csv") { // too large to print
		t.Error("there and back are not the same bytes")
	}
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", header)
	write(t, "in.xlsx", header)
	write(t, "in.ndjson", "")
	before := names(t, ".")
	for want, args := range map[string][]string{
		`there is only "in.csv", want INPUT... OUTPUT`:      {"in.csv"},
		"a file's name is empty":                            {"in.csv", ""},
		`in.xlsx: the format is not known by its extension`: {"in.xlsx", "out.csv"},
		`out.doc: the format is not known by its extension`: {"in.csv", "out.doc"},
		`extension "": use .csv`:                            {"in.csv", "out.gz"},
		"in.ndjson is ndjson, and what comes before it csv": {"in.csv", "in.ndjson", "out.csv"},
		"out.parquet.gz: Parquet is compressed inside":      {"in.csv", "out.parquet.gz"},
		"x.gz: Parquet is compressed inside":                {"-to", "parquet", "in.csv", "x.gz"},
		"json is only read":                                 {"in.csv", "out.json"},
		"tsv is only read":                                  {"in.csv", "out.tsv"},
		"standard input has no extension":                   {"-", "out.csv"},
		"standard output has no extension":                  {"in.csv", "-"},
		"standard input cannot be Parquet":                  {"-from", "parquet", "-", "out.csv"},
		"standard output cannot be Parquet":                 {"-to", "parquet", "in.csv", "-"},
		`-from is "xml"`:                                    {"-from", "xml", "in.csv", "out.csv"},
		`-to is "xml"`:                                      {"-to", "xml", "in.csv", "out.csv"},
		`-to is "csv.gz"`:                                   {"-to", "csv.gz", "in.csv", "out.csv"},
		`-to is "csv.bz2"`:                                  {"-by", "origin", "-to", "csv.bz2", "in.csv", "out"},
		"-workers is -1, want 0 to":                         {"-workers", "-1", "in.csv", "out.csv"},
		"-chunk is -1, want 0 to":                           {"-chunk", "-1", "in.csv", "out.csv"},
		"-skip-bad is -1, want 0 to":                        {"-skip-bad", "-1", "in.csv", "out.csv"},
		"-level is 10, want 0 to 9":                         {"-level", "10", "in.csv", "out.csv.gz"},
		"-level is 23, want 0 to 22":                        {"-level", "23", "in.csv", "out.csv.zst"},
		"-level is 1, want 0: only .gz and .zst have it":    {"-level", "1", "in.csv", "out.csv"},
		"-max-size is -1, want 0 to":                        {"-max-size", "-1", "in.csv", "out.csv"},
		"-max-size is for text":                             {"-max-size", "1", "in.csv", "out.parquet"},
		"-max-size makes files":                             {"-max-size", "1", "-to", "csv", "in.csv", "-"},
		"-row-group is for Parquet":                         {"-row-group", "1", "in.csv", "out.csv"},
		"-row-group is -1, want 0 to":                       {"-row-group", "-1", "in.csv", "out.parquet"},
		"-by makes a folder: -to must say":                  {"-by", "origin", "in.csv", "out"},
		"-by makes a folder, and cannot go":                 {"-by", "origin", "-to", "csv", "in.csv", "-"},
		"-by is for text":                                   {"-by", "origin", "-to", "parquet", "in.csv", "out"},
		`-by is "delay", want origin or destination`:        {"-by", "delay", "-to", "csv", "in.csv", "out"},
		`invalid value "x" for flag -workers: parse error`:  {"-workers", "x"},
		"not defined: -nonsense":                            {"-nonsense"},
	} {
		code, stdout, stderr := runCommand(args...)
		assert.Equal(t, command.Usage, code, want)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
		assert.Contains(t, stderr, "Run with -h")
	}
	code, stdout, stderr := runCommand("-h")
	assert.Equal(t, command.OK, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, usage+"\n")
	for _, name := range []string{"from", "to", "workers", "chunk", "unordered", "level", "max-size", "by", "row-group", "skip-bad"} {
		assert.Contains(t, stderr, "\n  -"+name)
	}
	assert.Equal(t, before, names(t, "."))
}

func TestFailedRun(t *testing.T) {
	t.Chdir(t.TempDir())
	assert.Contains(t, fail(t, "none.csv", "out.csv"), "none.csv: no such file or directory\n")
	assert.Contains(t, fail(t, "none-*.csv", "out.csv"), "none-*.csv: no files\n")
	assert.Empty(t, names(t, "."))
	write(t, "in.csv", text(rows(10)))
	stderr := fail(t, "in.csv", filepath.Join("nowhere", "out.parquet"))
	assert.Contains(t, stderr, "no such file or directory")
	assert.Contains(t, stderr, "rows read 0, bad 0; none was kept, "+filepath.Join("nowhere", "out.parquet")+" is as it was\n")
	assert.Contains(t, fail(t, "-max-size", "9", "in.csv", filepath.Join("nowhere", "out.csv")), "no such file or directory")
	assert.Equal(t, []string{"in.csv"}, names(t, "."))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestStdoutThatIsFull(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "in.csv", text(rows(10)))
	var stderr bytes.Buffer
	c := command.Program{Name: "convert", Stdout: full{}, Stderr: &stderr, Every: time.Hour}
	assert.Equal(t, command.Failed, run(&c, []string{"in.csv", "out.csv"}))
	assert.Contains(t, stderr.String(), "convert: no space left\n")
	assert.Contains(t, stderr.String(), "rows read 10, bad 0; out.csv has them all\n")
}

// process is the command as a process of its own.
func process(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// A device that is full fails the run; so does any other that is not there.
func TestOutputThatIsFull(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "in.csv"), text(rows(50000)))
	cmd := process(t, folder, "-to", "csv", "in.csv", "/dev/full")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
	require.True(t, ok, stderr.String())
	assert.Equal(t, command.Failed, exit.ExitCode())
	assert.Contains(t, stderr.String(), "/dev/full")
}

func TestStandardInputAndOutput(t *testing.T) {
	folder := t.TempDir()
	want := text(rows(3000))
	cmd := process(t, folder, "-from", "csv", "-to", "ndjson", "-", "-")
	cmd.Stdin = strings.NewReader(want)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	lines, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	assert.Contains(t, stderr.String(), "Written       3000 rows  ndjson to standard output\n")

	cmd = process(t, folder, "-from", "ndjson", "-to", "csv", "-", "-")
	cmd.Stdin = bytes.NewReader(lines)
	back, err := cmd.Output()
	require.NoError(t, err)
	assert.Equal(t, want, string(back))
}

// A reader that has seen enough ends the run, and that is no failure.
func TestReaderThatHasEnough(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "in.csv"), text(rows(100000)))
	cmd := process(t, folder, "-to", "csv", "in.csv", "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReaderSize(out, 16).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, header, line)
	require.NoError(t, out.Close())
	require.NoError(t, cmd.Wait(), stderr.String())
	assert.Contains(t, stderr.String(), "until its reader had enough")
}

// A signal ends the process with the code that shells know; the old output is as
// it was.
func TestSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, out := range []string{"out.csv.gz", "out.parquet"} {
			folder := t.TempDir()
			write(t, filepath.Join(folder, out), "old")
			cmd := process(t, folder, "-from", "csv", "-", out)
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			_, err = stdin.Write([]byte(text(rows(1000))))
			require.NoError(t, err)

			var said []string
			working := regexp.MustCompile(`^convert: (\d+) rows, \d+ rows per second$`)
			lines := bufio.NewScanner(stderr)
			for sent := false; lines.Scan(); {
				if n := working.FindStringSubmatch(lines.Text()); n != nil {
					if !sent && n[1] != "0" {
						require.NoError(t, cmd.Process.Signal(signal))
						sent = true
					}
					continue
				}
				said = append(said, lines.Text())
			}
			exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
			require.True(t, ok, said)
			assert.Equal(t, 128+int(signal), exit.ExitCode())
			require.Len(t, said, 3)
			assert.Equal(t, "convert: reading -", said[0])
			assert.Equal(t, "convert: stopped by signal: "+signal.String(), said[1])
			assert.Regexp(t, `^convert: rows read \d+, bad 0; none was kept, `+out+` is as it was$`, said[2])
			assert.Equal(t, []string{out}, names(t, folder))
			assert.Equal(t, "old", read(t, filepath.Join(folder, out)))
		}
	}
}

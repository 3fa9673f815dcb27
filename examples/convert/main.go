// Command convert converts flight records between CSV, NDJSON and Parquet, in any
// direction, with any compression: it reads and formats in a pool of workers and
// replaces the output as a whole. Without arguments it makes flights.parquet of the
// half a million flights in the repository. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() {
	c := program{
		stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	os.Exit(c.run(os.Args[1:]))
}

// program is the command without its process.
type program struct {
	stdout, stderr io.Writer
	terminal       bool          // stderr is one
	every          time.Duration // between lines of progress elsewhere; 0: two seconds
}

// run does what the arguments say and returns the exit code.
func (c *program) run(args []string) int {
	stderr := c.stderr
	j, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return command.OK
	case errors.As(err, new(inputError)):
		fmt.Fprintf(stderr, "convert: %v\n", err)
		return command.Failed
	case err != nil:
		fmt.Fprintf(stderr, "convert: %v\nRun with -h for the flags.\n", err)
		return command.Usage
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p := command.Progress{Name: "convert", W: stderr, Terminal: c.terminal, Every: c.every}
	if !c.terminal {
		fmt.Fprintf(stderr, "convert: reading %s\n", strings.Join(j.in, ", "))
	}
	quiet := p.Start(0)
	res, err := j.run(ctx, &p.Rows)
	quiet()
	for _, bad := range res.bad {
		fmt.Fprintf(stderr, "convert: left out: %s\n", bad)
	}
	if more := res.failed - int64(len(res.bad)); err == nil && more > 0 {
		fmt.Fprintf(stderr, "convert: left out: %d more\n", more)
	}
	if err == nil {
		report := c.stdout
		if j.out == standard {
			report = stderr
		}
		_, err = io.WriteString(report, res.report(j))
	}
	if err != nil {
		fmt.Fprintf(stderr, "convert: %v\nconvert: %s\n", err, res.remains(j))
	}
	return command.ExitCode(err)
}

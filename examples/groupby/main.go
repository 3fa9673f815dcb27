// Command groupby prints the mean of one column of CSV files for each value of
// another: the delay of half a million flights by their airport, without flags.
// Each worker of a pool splits blocks of the files and adds up what it splits;
// the sums meet at the end. See README.md.
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
	case err != nil:
		fmt.Fprintf(stderr, "groupby: %v\nRun with -h for the flags.\n", err)
		return command.Usage
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p := command.Progress{Name: "groupby", W: stderr, Terminal: c.terminal, Every: c.every}
	if !c.terminal {
		fmt.Fprintf(stderr, "groupby: reading %s\n", strings.Join(j.in, ", "))
	}
	quiet := p.Start(0)
	res, err := j.run(ctx, &p.Rows)
	quiet()
	if err == nil {
		err = res.print(j, c.stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "groupby: %v\n", err)
	}
	return command.ExitCode(err)
}

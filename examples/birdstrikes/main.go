// Command birdstrikes turns a CSV file of people's reports into a Parquet file:
// it cleans and checks every row in a pool of workers, sends those that break a
// rule to a dead-letter file, reads the Parquet file back, and prints what there
// is. Without flags it takes the ten thousand reports beside it. See README.md.
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
		fmt.Fprintf(stderr, "birdstrikes: %v\nRun with -h for the flags.\n", err)
		return command.Usage
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p := command.Progress{Name: "birdstrikes", W: stderr, Terminal: c.terminal, Every: c.every}
	if !c.terminal {
		fmt.Fprintf(stderr, "birdstrikes: reading %s\n", strings.Join(j.in, ", "))
	}
	quiet := p.Start(0)
	res, err := j.run(ctx, func(Strike) { p.Rows.Add(1) })
	quiet()
	if err == nil {
		_, err = io.WriteString(c.stdout, res.report(j))
	}
	if err != nil {
		fmt.Fprintf(stderr, "birdstrikes: %v\nbirdstrikes: %s\n", err, res.remains(j))
	}
	return command.ExitCode(err)
}

// Command flights loads flight records from compressed CSV files into a SQLite
// database: it checks every row in a pool of workers, sends those that break a
// rule to a dead-letter file, and prints the busiest routes. Without flags it
// loads the half a million flights beside it. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	c := command{
		stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stderr.Fd())), every: 2 * time.Second,
	}
	os.Exit(c.run(os.Args[1:]))
}

// What the command exits with, beside 128 and the number of a signal.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is the program without its process.
type command struct {
	stdout, stderr io.Writer
	terminal       bool          // stderr is one
	every          time.Duration // between lines of progress elsewhere
}

// run does what the arguments say and returns the exit code.
func (c *command) run(args []string) int {
	stderr := c.stderr
	j, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "flights: %v\nRun with -h for the flags.\n", err)
		return exitUsage
	}
	ctx, stop := withSignals(context.Background())
	defer stop()

	p := progress{w: stderr, terminal: c.terminal, every: c.every}
	if !c.terminal {
		fmt.Fprintf(stderr, "flights: reading %s\n", strings.Join(j.in, ", "))
	}
	quiet := p.start(j.limit)
	res, err := j.run(ctx, func(Flight) { p.rows.Add(1) })
	quiet()
	if err == nil {
		_, err = io.WriteString(c.stdout, res.report(j))
	}
	if err != nil {
		fmt.Fprintf(stderr, "flights: %v\nflights: %s\n", err, res.remains(j))
		if s, ok := errors.AsType[signalled](err); ok {
			return s.exitCode()
		}
		return exitFailed
	}
	return exitOK
}

// signalled is the cause of a run that a signal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return "stopped by signal: " + s.String() }

func (s signalled) exitCode() int { return 128 + int(s.Signal) }

// withSignals returns a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process at once.
func withSignals(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			cancel(signalled{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}

// Command sweep measures three built-in jobs over chunk sizes, numbers of workers
// and modes, and writes a report with plots:
//
//	go run ./benchmarks/sweep          # about two minutes
//	go run ./benchmarks/sweep -quick   # seconds: does everything run?
//
// Package sweep below it does the same with a function of yours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
)

func main() {
	c := command{
		stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stderr.Fd())), every: 5 * time.Second, write: sweep.WriteDir,
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
	every          time.Duration // between lines of progress elsewhere, at least
	write          func(dir string, reports ...*sweep.Report) error
}

// run does what the arguments say and returns the exit code.
func (c *command) run(args []string) int {
	stderr := c.stderr
	set, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "sweep: %v\nRun with -h for the flags.\n", err)
		return exitUsage
	}
	ctx, stop := withSignals(context.Background())
	defer stop()
	if err := c.sweep(ctx, set); err != nil {
		fmt.Fprintln(stderr, err)
		if s, ok := errors.AsType[signalled](err); ok {
			return s.exitCode()
		}
		return exitFailed
	}
	return exitOK
}

// sweep measures the jobs, prints what it found and writes the report.
func (c *command) sweep(ctx context.Context, set settings) error {
	p := newProgress(c, len(set.jobs))
	defer p.end()
	var reports []*sweep.Report
	for _, j := range set.jobs {
		p.begin(j.name)
		r, err := j.run(ctx, set, append(set.options(), sweep.Progress(p.tell)))
		p.end()
		if err != nil {
			return err
		}
		if err := c.print(r, set.json); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		reports = append(reports, r)
	}
	if err := c.write(set.out, reports...); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	stderr := c.stderr
	fmt.Fprintf(stderr, "sweep: the plots and all figures are in %s\n", filepath.Join(set.out, "index.html"))
	if set.json {
		return nil
	}
	for _, r := range reports {
		if _, err := fmt.Fprintln(c.stdout, r.Advice()); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// print writes a job's report to stdout.
func (c *command) print(r *sweep.Report, json bool) error {
	if json {
		return r.WriteJSON(c.stdout)
	}
	if err := r.WriteTable(c.stdout); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout)
	return err
}

// signalled is the cause of a sweep that a signal ended.
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

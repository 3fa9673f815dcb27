package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// Row is a line of the file.
type Row struct {
	Date        string `csv:"date"`
	Delay       int    `csv:"delay"`
	Distance    int    `csv:"distance"`
	Origin      string `csv:"origin"`
	Destination string `csv:"destination"`
}

// Flight is a row as it is written.
type Flight struct {
	Date  string `json:"date"`
	Route string `json:"route"`
	Miles int    `json:"miles"`
	Delay int    `json:"delay"`
}

// flightOf is what the workers do.
func flightOf(r Row) Flight {
	return Flight{Date: r.Date, Route: r.Origin + "-" + r.Destination, Miles: r.Distance, Delay: r.Delay}
}

// job is what the flags ask for.
type job struct {
	dir       string        // of the output and the checkpoint
	crash     int           // rows until the process is killed; 0: it is not
	hold      int           // rows until it waits for a signal; 0: it does not
	workers   int           // 0: one per core
	chunk     int           // 0: automatic
	unordered bool          // rows may leave as they are ready
	every     time.Duration // between checkpoints
	grace     time.Duration // for what is in flight when a signal comes

	kill func() // nil: SIGKILL

	// What a job that holds has to do with the world.
	stop  context.Context // ends with the first signal
	input io.Reader
	told  io.Writer
}

// parse makes a job of the command's arguments. Only help goes to stderr.
func parse(args []string, stderr io.Writer) (*job, error) {
	j := &job{}
	fs := flag.NewFlagSet("resume", flag.ContinueOnError)
	fs.StringVar(&j.dir, "dir", "resume-data", "the `folder` of flights.ndjson and its checkpoint")
	fs.IntVar(&j.crash, "crash-after", 0, "kill the process after so many `rows`; 0: do not")
	fs.IntVar(&j.hold, "hold-after", 0, "wait for a signal after so many `rows`, to try one; 0: do not")
	fs.IntVar(&j.workers, "workers", 0, "work in so `many` goroutines; 0: one for each processor")
	fs.IntVar(&j.chunk, "chunk", 0, "hand so many `rows` at a time to a worker; 0: automatic")
	fs.BoolVar(&j.unordered, "unordered", false, "write rows in the order in which they are ready")
	fs.DurationVar(&j.every, "every", 10*time.Millisecond, "the `time` between two checkpoints")
	fs.DurationVar(&j.grace, "grace", 10*time.Second, "the `time` for what is in flight when a signal comes")
	extra := ""
	if err := command.Parse(fs, args, "Usage: resume [flags]", stderr, func(s string) { extra = s }); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"crash-after", j.crash}, {"hold-after", j.hold}, {"workers", j.workers}, {"chunk", j.chunk}} {
		if n.value < 0 {
			return nil, fmt.Errorf("-%s is %d, want 0 or more", n.name, n.value)
		}
	}
	switch {
	case extra != "":
		return nil, fmt.Errorf("%s: no files are asked for", extra)
	case j.dir == "":
		return nil, errors.New("-dir is empty, want the name of a folder")
	case j.every <= 0 || j.grace <= 0:
		return nil, fmt.Errorf("-every is %v and -grace %v, want more than 0", j.every, j.grace)
	}
	return j, nil
}

// output is the file that the job makes.
func (j *job) output() string { return filepath.Join(j.dir, "flights.ndjson") }

// run does the job, or the rest of it, until stop ends.
func (j *job) run(stop context.Context, rows stage.Stream[Row], to stage.Sink[Flight]) (stage.Summary, error) {
	p := pool.New(j.workers)
	defer p.Close()
	options := []pool.Option{pool.Name("flights"), pool.ChunkSize(j.chunk)}
	if j.unordered {
		options = append(options, pool.Unordered())
	}
	flights := pool.Imap(p, rows, stage.Pure(flightOf), options...)
	if j.crash > 0 || j.hold > 0 {
		to = disturbed{to, j}
	}
	return stage.Run(context.Background(), flights, to,
		stage.Checkpoint(checkpoint.File(filepath.Join(j.dir, "checkpoint")), j.every),
		stage.Shutdown(stop, j.grace))
}

// report says what a run did, and what it went on from.
func report(sum stage.Summary) string {
	var b strings.Builder
	if r := sum.Resumed; r != nil {
		fmt.Fprintf(&b, "resumed from checkpoint %d of %s: %d rows were written\n",
			r.Epoch, r.Saved.Format(time.RFC3339), r.Written)
		for _, s := range r.Sources {
			fmt.Fprintf(&b, "  %s: %d records were done, reading began at byte %d\n", s.Name, s.Done, s.At.Offset)
		}
		if r.Notice != "" {
			fmt.Fprintf(&b, "  %s\n", r.Notice)
		}
	}
	if sum.Guarantee != "" {
		fmt.Fprintf(&b, "delivery: %s\n", sum.Guarantee)
	}
	b.WriteString(sum.String())
	return b.String()
}

// dies kills the process, which is what no program can prepare for.
func (j *job) dies() {
	if j.kill != nil {
		j.kill()
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("resume: the process cannot be killed: %v", err))
	}
	select {} // the signal is on its way
}

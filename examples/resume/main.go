// Command resume is a long job that survives its own death: it reads the half a
// million flights beside examples/flights, and writes them to flights.ndjson in a
// folder that holds its checkpoint, too. Kill it (-crash-after does), run it again,
// and it goes on where it stopped: the file is the same as if nothing had happened.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func main() {
	stop, release := stage.NotifyShutdown(context.Background())
	code := run(stop, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}

// run does what the arguments say, until stop ends, and returns the exit code.
func run(stop context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	j, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return command.OK
	case err != nil:
		fmt.Fprintf(stderr, "resume: %v\nRun with -h for the flags.\n", err)
		return command.Usage
	}
	j.stop, j.input, j.told = stop, stdin, stderr
	data, err := command.Data("examples/flights/data/flights-2001-01.csv.zst")
	if err == nil {
		err = os.MkdirAll(j.dir, 0o750)
	}
	if err != nil {
		fmt.Fprintf(stderr, "resume: %v\n", err)
		return command.Failed
	}
	sum, err := j.run(stop, source.CSV[Row](data), sink.NDJSON[Flight](j.output()))
	_, told := io.WriteString(stdout, report(sum))
	if err = errors.Join(err, told); err != nil {
		fmt.Fprintf(stderr, "resume: %v\n", err)
	}
	return command.ExitCode(err)
}

// Command convert converts flight records between CSV, NDJSON and Parquet, in any
// direction, with any compression: it reads and formats in a pool of workers and
// replaces the output as a whole. Without arguments it makes flights.parquet of the
// half a million flights in the repository. See README.md.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() { os.Exit(run(command.New("convert"), os.Args[1:])) }

// run does what the arguments say and returns the exit code.
func run(c *command.Program, args []string) int {
	j, err := parse(args, c.Stderr)
	if errors.As(err, new(inputError)) {
		c.Sayf("%v", err)
		return command.Failed
	}
	if err != nil {
		return c.Refused(err)
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p, quiet := c.Reading(j.in, 0)
	res, err := j.run(ctx, &p.Rows)
	quiet()
	for _, bad := range res.bad {
		c.Sayf("left out: %s", bad)
	}
	if more := res.failed - int64(len(res.bad)); err == nil && more > 0 {
		c.Sayf("left out: %d more", more)
	}
	if err == nil {
		report := c.Stdout
		if j.out == standard {
			report = c.Stderr
		}
		_, err = io.WriteString(report, res.report(j))
	}
	if err != nil {
		c.Sayf("%v", err)
		c.Sayf("%s", res.remains(j))
	}
	return command.ExitCode(err)
}

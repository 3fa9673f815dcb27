// Command delays says how late flights were for each airport and hour: it groups
// half a million flights in windows of event time, joins them with the airports'
// names and writes a Parquet file for each state. See README.md.
package main

import (
	"context"
	"io"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() { os.Exit(run(command.New("delays"), os.Args[1:])) }

// run does what the arguments say and returns the exit code.
func run(c *command.Program, args []string) int {
	j, err := parse(args, c.Stderr)
	if err != nil {
		return c.Refused(err)
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p, quiet := c.Reading(j.in, 0)
	res, err := j.run(ctx, func(Flight) { p.Rows.Add(1) })
	quiet()
	if err == nil {
		_, err = io.WriteString(c.Stdout, res.report(j))
	}
	if err != nil {
		c.Sayf("%v", err)
	}
	return command.ExitCode(err)
}

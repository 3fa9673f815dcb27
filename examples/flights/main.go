// Command flights loads flight records from compressed CSV files into a SQLite
// database: it checks every row in a pool of workers, sends those that break a
// rule to a dead-letter file, and prints the busiest routes. Without flags it
// loads the half a million flights beside it. See README.md.
package main

import (
	"context"
	"io"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() { os.Exit(run(command.New("flights"), os.Args[1:])) }

// run does what the arguments say and returns the exit code.
func run(c *command.Program, args []string) int {
	j, err := parse(args, c.Stderr)
	if err != nil {
		return c.Refused(err)
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p, quiet := c.Reading(j.in, j.limit)
	res, err := j.run(ctx, func(Flight) { p.Rows.Add(1) })
	quiet()
	if err == nil {
		_, err = io.WriteString(c.Stdout, res.report(j))
	}
	if err != nil {
		c.Sayf("%v", err)
		c.Sayf("%s", res.remains(j))
	}
	return command.ExitCode(err)
}

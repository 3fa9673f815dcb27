// Command groupby prints the mean of one column of CSV files for each value of
// another: the delay of half a million flights by their airport, without flags.
// Each worker of a pool splits blocks of the files and adds up what it splits;
// the sums meet at the end. See README.md.
package main

import (
	"context"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() { os.Exit(run(command.New("groupby"), os.Args[1:])) }

// run does what the arguments say and returns the exit code.
func run(c *command.Program, args []string) int {
	j, err := parse(args, c.Stderr)
	if err != nil {
		return c.Refused(err)
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()

	p, quiet := c.Reading(j.in, 0)
	res, err := j.run(ctx, &p.Rows)
	quiet()
	if err == nil {
		err = res.print(j, c.Stdout, c.Stderr)
	}
	if err != nil {
		c.Sayf("%v", err)
	}
	return command.ExitCode(err)
}

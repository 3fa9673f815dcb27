// Command subprocess asks a Python function about each line of a file, from a
// pipeline in Go: how much information its characters have. A few processes of
// python3 answer, one for each worker of a pool. Where there is no python3 the
// program runs itself as the function, and says so. See README.md.
package main

import (
	"context"
	"os"

	"github.com/penstock-go/penstock/examples/internal/command"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == asFunction {
		os.Exit(serve(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(command.New("subprocess"), os.Args[1:]))
}

// run does what the arguments say and returns the exit code.
func run(c *command.Program, args []string) int {
	j, err := parse(args, c.Stderr)
	if err != nil {
		return c.Refused(err)
	}
	ctx, stop := command.WithSignals(context.Background())
	defer stop()
	c.Sayf("reading %s, asking %s", j.in, j.function)
	res, err := j.run(ctx)
	if err == nil {
		err = res.print(c.Stdout)
	}
	if err != nil {
		c.Sayf("%v", err)
	}
	return command.ExitCode(err)
}

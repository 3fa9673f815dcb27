package stage_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/stage"
)

func ExampleExec() {
	// Here a stand-in, so that the example runs everywhere, of
	//
	//	[]string{"python3", "-u", "-c", "import sys\nfor line in sys.stdin: print(line.strip().upper())"}
	args := childtest.New("upper").Args

	shouts := stage.Exec(of("ready", "steady", "go"), stage.Command{Args: args})
	show(shouts)
	// Output:
	// READY
	// STEADY
	// GO
}

// When a process ends, the item that it had fails alone; the next one finds another.
func ExampleExec_failure() {
	args := childtest.New("crash", "steady", "3").Args // ends with status 3 when it reads that
	for line, err := range stage.Exec(of("ready", "steady", "go"), stage.Command{Args: args}).All(context.Background()) {
		if p, ok := errors.AsType[*stage.ProcessError](err); ok {
			fmt.Printf("failed: %v, stderr: %s\n", p.State, p.Stderr)
			continue
		}
		fmt.Println(line)
	}
	// Output:
	// ready
	// failed: exit status 3, stderr: cannot do steady
	// go
}

func ExampleExecJSON() {
	type question struct {
		N int `json:"n"`
	}
	type answer struct {
		N int `json:"n"`
	}
	// A stand-in of a program that doubles n:
	//
	//	for line in sys.stdin: print(json.dumps({"n": 2 * json.loads(line)["n"]}), flush=True)
	double := stage.Command{Args: childtest.New("double").Args, Pipeline: 64}
	show(stage.ExecJSON[question, answer](of(question{1}, question{21}), double))
	// Output:
	// {2}
	// {42}
}

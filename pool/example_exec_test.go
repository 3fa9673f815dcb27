package pool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Two processes of a program answer, in the order of the lines.
func ExampleExec() {
	score := stage.Command{
		Args:     childtest.New("upper").Args, // a stand-in of {"python3", "-u", "score.py"}
		Timeout:  10 * time.Second,            // for a line
		Pipeline: 64,                          // lines are written ahead
	}
	for line, err := range pool.Exec(pool.New(2), source.Of("a", "b", "c"), score).All(context.Background()) {
		fmt.Println(line, err)
	}
	// Output:
	// A <nil>
	// B <nil>
	// C <nil>
}

func ExampleExecJSON() {
	type number struct {
		N int `json:"n"`
	}
	double := stage.Command{Args: childtest.New("double").Args} // answers {"n":1} with {"n":2}
	in := stage.Map(source.Range(1, 4), stage.Pure(func(n int) number { return number{n} }))
	for v, err := range pool.ExecJSON[number, number](pool.New(2), in, double).All(context.Background()) {
		fmt.Println(v.N, err)
	}
	// Output:
	// 2 <nil>
	// 4 <nil>
	// 6 <nil>
}

package stage_test

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/penstock-go/penstock/stage"
)

func ExampleRun() {
	var out string
	numbers := stage.Map(of("1", "2", "30"), stage.Try(strconv.Atoi)).Named("parse")
	sum, err := stage.Run(context.Background(), numbers.Filter(func(v int) bool { return v < 10 }), text[int]{&out})
	fmt.Printf("%q %v\n", out, err)
	for _, st := range sum.Stages {
		fmt.Println(st.Name, st.In, st.Out, st.Filtered)
	}
	// Output:
	// "1\n2\n" <nil>
	// of 3 3 0
	// parse 3 3 0
	// Filter 3 2 1
}

// By default the first failed item ends the run.
func ExampleStop() {
	var out string
	sum, err := stage.Run(context.Background(), stage.Map(of("1", "x", "3"), stage.Try(strconv.Atoi)), text[int]{&out}, stage.Stop())
	fmt.Println(err)
	fmt.Printf("handed over: %d, published: %q\n", sum.Written, out)
	// Output:
	// Map: item 1: strconv.Atoi: parsing "x": invalid syntax
	// handed over: 1, published: ""
}

func ExampleContinue() {
	var out string
	in := stage.Map(of("1", "x", "3", "y"), stage.Try(strconv.Atoi))
	sum, err := stage.Run(context.Background(), in, text[int]{&out}, stage.Continue(2))
	fmt.Println(sum.Written, sum.Failed, err)
	_, err = stage.Run(context.Background(), in, text[int]{&out}, stage.Continue(1))
	fmt.Println(err)
	// Output:
	// 2 2 <nil>
	// stage: more items failed than the limit of 1 allows: Map: item 3: strconv.Atoi: parsing "y": invalid syntax
}

func ExampleWithLogger() {
	var out string
	log := zap.NewExample(zap.IncreaseLevel(zap.WarnLevel)) // without the lines for start and end
	in := stage.Map(of("1", "x", "y", "4"), stage.Try(strconv.Atoi)).Named("p")
	_, err := stage.Run(context.Background(), in, text[int]{&out}, stage.Continue(0), stage.WithLogger(log))
	fmt.Println(err)
	// Output:
	// {"level":"warn","msg":"item failed: first of its kind","stage":"p","index":1,"error":"strconv.Atoi: parsing \"x\": invalid syntax"}
	// <nil>
}

func ExampleSummary_String() {
	sum := stage.Summary{
		Stages: []stage.StageSummary{
			{Name: "rows", Op: "CSV", In: 10, Out: 10},
			{Name: "Filter", Op: "Filter", In: 10, Out: 8, Filtered: 2},
		},
		Read: 10, Written: 8, Elapsed: 1500 * time.Microsecond,
	}
	fmt.Print(sum)
	// Output:
	// stage       in  out  filtered
	// rows (CSV)  10   10         0
	// Filter      10    8         2
	// read 10, written 8 in 1.5ms
}

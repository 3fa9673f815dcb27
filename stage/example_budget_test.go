package stage_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/stage"
)

// One item in four may fail, no more: here it is every other one.
func ExampleMaxFailedShare() {
	var out string
	in := stage.Map(of("1", "x", "3", "y"), stage.Try(strconv.Atoi)).Named("parse")
	_, err := stage.Run(context.Background(), in, text[int]{&out}, stage.Continue(0), stage.MaxFailedShare(0.25, 100))
	fmt.Println(err)
	// Output:
	// stage: 2 of 4 items failed, more than a share of 0.25: parse: item 3: strconv.Atoi: parsing "y": invalid syntax
}

// Two failures in four items are too many, wherever in the run they are.
func ExampleMaxFailedWindow() {
	var out string
	in := stage.Map(of("1", "2", "3", "4", "5", "x", "7", "y", "9"), stage.Try(strconv.Atoi)).Named("parse")
	sum, err := stage.Run(context.Background(), in, text[int]{&out}, stage.Continue(0), stage.MaxFailedWindow(0.25, 4))
	fmt.Println(sum.Written)
	fmt.Println(err)
	// Output:
	// 6
	// stage: 2 of the last 4 items failed, more than a share of 0.25 of 4: parse: item 7: strconv.Atoi: parsing "y": invalid syntax
}

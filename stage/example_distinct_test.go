package stage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/stage"
)

func ExampleDistinct() {
	show(stage.Distinct(of(3, 1, 3, 2, 1), 1000))
	// Output:
	// 3
	// 1
	// 2
}

func ExampleDistinctBy() {
	show(stage.DistinctBy(of("Ann", "Bob", "ANN", "Cid"), 1000, strings.ToLower))
	// Output:
	// Ann
	// Bob
	// Cid
}

func ExampleForgetOldest() {
	show(stage.Distinct(of(1, 1, 2, 3, 1), 2, stage.ForgetOldest()))
	// Output:
	// 1
	// 2
	// 3
	// 1
}

func ExampleDistinctApprox() {
	names := of("Ann", "Bob", "Ann", "Cid")
	show(stage.DistinctApprox(names, 1_000_000, 0.001, func(dst []byte, name string) []byte { return append(dst, name...) }))
	// Output:
	// Ann
	// Bob
	// Cid
}

func ExampleStream_Sample() {
	sample, err := of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).Sample(3, 42).Collect(context.Background())
	if err != nil {
		panic(err)
	}
	again, err := of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).Sample(3, 42).Collect(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(len(sample), slices.Equal(sample, again))
	// Output: 3 true
}

package source_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/source"
)

func ExampleOf() {
	words, err := source.Of("gate", "pipe", "turbine").Collect(context.Background())
	fmt.Println(words, err)
	// Output: [gate pipe turbine] <nil>
}

func ExampleSlice() {
	long := func(s string) bool { return len(s) > 4 }
	words := []string{"gate", "pipe", "turbine"}
	kept, err := source.Slice(words).Filter(long).Collect(context.Background())
	fmt.Println(kept, err)
	// Output: [turbine] <nil>
}

func ExampleRange() {
	squares := 0
	for i, err := range source.Range(1, 5).All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		squares += i * i
	}
	fmt.Println(squares)
	// Output: 30
}

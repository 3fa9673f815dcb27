package source_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/source"
)

func ExampleSeq() {
	fields := strings.FieldsSeq("any function that yields is a source")
	words, err := source.Seq(fields).Collect(context.Background())
	fmt.Println(len(words), words[5], err)
	// Output: 7 a <nil>
}

func ExampleSeq2() {
	depths := map[string]int{"sink": 3, "source": 1, "stage": 2}
	pairs, err := source.Seq2(maps.All(depths)).Collect(context.Background())
	fmt.Println(len(pairs), err)
	for i, p := range pairs {
		if p.First == "source" {
			fmt.Println(pairs[i].Second)
		}
	}
	// Output:
	// 3 <nil>
	// 1
}

func ExampleSeqErr() {
	pages := func(yield func(string, error) bool) {
		_ = yield("page 1", nil) && yield("page 2", errors.New("not found")) && yield("page 3", nil)
	}
	for page, err := range source.SeqErr(iter.Seq2[string, error](pages)).All(context.Background()) {
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(page)
	}
	// Output:
	// page 1
	// error: SeqErr: item 1: not found
	// page 3
}

// A database's rows, or whatever else has a cursor, are a sequence of values and
// errors.
func ExampleSeqErr_cursor() {
	rows := slices.Values([]int{1, 2, 3})
	seq := func(yield func(int, error) bool) {
		for id := range rows {
			if !yield(id, nil) {
				return
			}
		}
	}
	ids, err := source.SeqErr(seq).Collect(context.Background())
	fmt.Println(ids, err)
	// Output: [1 2 3] <nil>
}

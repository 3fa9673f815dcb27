package stage_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/stage"
)

// show prints what a stream yields, in order.
func show[T any](s stage.Stream[T]) {
	for v, err := range s.All(context.Background()) {
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(v)
	}
}

func ExampleMap() {
	show(stage.Map(of("1", "two", "3"), stage.Try(strconv.Atoi)))
	// Output:
	// 1
	// error: Map: item 1: strconv.Atoi: parsing "two": invalid syntax
	// 3
}

func ExampleMap_context() {
	users := stage.Map(of(7, 8), func(ctx context.Context, id int) (string, error) {
		if ctx.Err() != nil { // as a database would
			return "", ctx.Err()
		}
		return fmt.Sprintf("user %d", id), nil
	})
	show(users)
	// Output:
	// user 7
	// user 8
}

func ExampleTry() {
	show(stage.Map(of("1", "2"), stage.Try(strconv.Atoi)))
	// Output:
	// 1
	// 2
}

func ExamplePure() {
	show(stage.Map(of("a", "b"), stage.Pure(strings.ToUpper)))
	// Output:
	// A
	// B
}

func ExampleFilterMap() {
	show(stage.FilterMap(of("size=3", "# remark", "size=x"), func(_ context.Context, line string) (int, bool, error) {
		value, found := strings.CutPrefix(line, "size=")
		if !found {
			return 0, false, nil
		}
		n, err := strconv.Atoi(value)
		return n, true, err
	}))
	// Output:
	// 3
	// error: FilterMap: item 2: strconv.Atoi: parsing "x": invalid syntax
}

func ExampleFlatMap() {
	show(stage.FlatMap(of("a b", "", "c"), func(_ context.Context, line string, emit func(string)) error {
		for word := range strings.FieldsSeq(line) {
			emit(word)
		}
		return nil
	}))
	// Output:
	// a
	// b
	// c
}

func ExampleBatch() {
	show(stage.Batch(of(1, 2, 3, 4, 5), 2))
	// Output:
	// [1 2]
	// [3 4]
	// [5]
}

func ExampleUnbatch() {
	show(stage.Unbatch(of([]int{1, 2}, nil, []int{3})))
	// Output:
	// 1
	// 2
	// 3
}

// A sequence may be endless: it is read as far as its items are wanted.
func ExampleFlatten() {
	multiples := stage.Map(of(1, 10), stage.Pure(func(n int) iter.Seq[int] {
		return func(yield func(int) bool) {
			for v := n; v < 4*n || n == 10; v += n {
				if !yield(v) {
					return
				}
			}
		}
	}))
	show(stage.Flatten(multiples).Take(6))
	// Output:
	// 1
	// 2
	// 3
	// 10
	// 20
	// 30
}

// What a sequence gave before it failed stays, and the next one follows.
func ExampleFlattenErr() {
	pages := stage.Map(of(1, 2), stage.Pure(func(page int) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if yield(fmt.Sprint("page ", page, ", row 1"), nil) && page == 1 {
				yield("", errors.New("connection reset"))
			}
		}
	}))
	show(stage.FlattenErr(pages))
	// Output:
	// page 1, row 1
	// error: FlattenErr: item 0: connection reset
	// page 2, row 1
}

func ExampleScan() {
	show(stage.Scan(of(1, 2, 3), 10, func(_ context.Context, sum, v int) (int, error) { return sum + v, nil }))
	// Output:
	// 11
	// 13
	// 16
}

func ExampleConcat() {
	show(stage.Concat(of(1, 2), of(3)))
	// Output:
	// 1
	// 2
	// 3
}

func ExampleZip() {
	show(stage.Zip(of("a", "b", "c"), of(1, 2)))
	// Output:
	// {a 1}
	// {b 2}
}

func ExampleEnumerate() {
	for p, err := range stage.Enumerate(of("a", "b")).All(context.Background()) {
		fmt.Println(p.First, p.Second, err)
	}
	// Output:
	// 0 a <nil>
	// 1 b <nil>
}

func ExampleStream_Filter() {
	show(of(1, 2, 3, 4).Filter(func(v int) bool { return v%2 == 0 }))
	// Output:
	// 2
	// 4
}

func ExampleStream_Take() {
	show(of(1, 2, 3).Take(2))
	// Output:
	// 1
	// 2
}

func ExampleStream_Skip() {
	show(of(1, 2, 3).Skip(2))
	// Output:
	// 3
}

func ExampleStream_TakeWhile() {
	show(of(1, 2, 30, 4).TakeWhile(func(v int) bool { return v < 10 }))
	// Output:
	// 1
	// 2
}

func ExampleStream_SkipWhile() {
	show(of(1, 2, 30, 4).SkipWhile(func(v int) bool { return v < 10 }))
	// Output:
	// 30
	// 4
}

func ExampleStream_Tap() {
	longest := 0
	show(of("a", "abc").Tap(func(s string) { longest = max(longest, len(s)) }))
	fmt.Println("longest:", longest)
	// Output:
	// a
	// abc
	// longest: 3
}

func ExampleStream_Named() {
	show(stage.Map(of("x"), stage.Try(strconv.Atoi)).Named("parse port"))
	// Output:
	// error: parse port: item 0: strconv.Atoi: parsing "x": invalid syntax
}

func ExampleStream_Describe() {
	even := of(1, 2, 3).Filter(func(v int) bool { return v%2 == 0 }).Named("even")
	fmt.Print(stage.Batch(even, 10).Describe())
	// Output:
	// Batch             serial (of 10), in the consumer
	// └─ Filter "even"  serial, in the consumer
	//    └─ of          source, in the consumer
}

func ExampleItemError() {
	_, err := stage.Map(of("1", "two"), stage.Try(strconv.Atoi)).Collect(context.Background())
	if e, ok := errors.AsType[*stage.ItemError](err); ok {
		fmt.Println(e.Stage, e.Index, e.Input)
		fmt.Println(errors.Is(err, strconv.ErrSyntax))
	}
	// Output:
	// Map 1 two
	// true
}

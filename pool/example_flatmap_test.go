package pool_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

func ExampleFlatMap() {
	words := pool.FlatMap(nil, source.Of("to be or", "", "not to be"), func(_ context.Context, line string, emit func(string)) error {
		for word := range strings.FieldsSeq(line) {
			emit(word)
		}
		return nil
	})
	fmt.Println(words.Collect(context.Background()))
	// Output: [to be or not to be] <nil>
}

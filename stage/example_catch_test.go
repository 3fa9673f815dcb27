package stage_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/stage"
)

// What is not a number is let go, what is too large is not.
func ExampleStream_Catch() {
	numbers := stage.Map(of("1", "two", "300", "4"), func(_ context.Context, s string) (int8, error) {
		n, err := strconv.ParseInt(s, 10, 8)
		return int8(n), err
	})
	show(numbers.Catch(func(_ context.Context, e *stage.ItemError) error {
		if errors.Is(e, strconv.ErrSyntax) {
			return nil
		}
		return fmt.Errorf("no room: %w", e.Err)
	}))
	// Output:
	// 1
	// error: Map: item 2: no room: strconv.ParseInt: parsing "300": value out of range
	// 4
}

package channel

import (
	"context"
	"fmt"
	"reflect"

	"github.com/penstock-go/penstock/stage"
)

// Values takes items of type T from a channel of any values.
type Values[T any] struct {
	ch    <-chan any
	taken stage.Chunk[any]
	first int64 // index of the next value
	null  bool  // T is an interface, which a nil value fits
}

// NewValues returns the items of ch.
func NewValues[T any](ch <-chan any) *Values[T] {
	return &Values[T]{ch: ch, null: reflect.TypeFor[T]().Kind() == reflect.Interface}
}

// Take is the function Take for the items of the channel. A value of another type
// is a failed item at its place, whose error names both types.
func (v *Values[T]) Take(ctx context.Context, into *stage.Chunk[T], room int) error {
	into.Reset()
	err := Take(ctx, v.ch, &v.taken, room)
	for _, value := range v.taken.Items {
		item, ok := value.(T)
		if ok || v.null && value == nil {
			into.Items = append(into.Items, item)
		} else {
			into.Fail(&stage.ItemError{
				Index: v.first, Input: value, At: stage.Position{Record: v.first},
				Err: fmt.Errorf("the value is %T, want %v", value, reflect.TypeFor[T]()),
			})
		}
		v.first++
	}
	v.taken.Reset()
	return err
}

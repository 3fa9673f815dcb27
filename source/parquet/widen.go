package parquet

import (
	"fmt"
	"math"
	"reflect"
)

// widened is a number or text as int64, float64 or string.
func widened(verb, name string, v any) any {
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return r.Int()
	case r.CanUint():
		return int64(r.Uint()) // of 32 bits at most
	case r.CanFloat():
		if math.IsNaN(r.Float()) {
			panic(fmt.Sprintf("penstock: parquet.%s: %s is NaN", verb, name))
		}
		return r.Float()
	default:
		return r.String()
	}
}

package checkpoint

import (
	"fmt"
	"math"
)

// Range is a run of ordinals: First, First+1, and so on, N of them.
type Range struct {
	First int64 `json:"first"`
	N     int64 `json:"n"`
}

// End is the first ordinal behind the range.
func (r Range) End() int64 { return r.First + r.N }

// String writes the range as [first, end).
func (r Range) String() string { return fmt.Sprintf("[%d, %d)", r.First, r.End()) }

// check refuses what is no range of ordinals.
func (r Range) check() error {
	switch {
	case r.First < 0:
		return fmt.Errorf("ordinal %d is negative", r.First)
	case r.N < 0:
		return fmt.Errorf("%d records from ordinal %d: the count is negative", r.N, r.First)
	case r.First > math.MaxInt64-r.N:
		return fmt.Errorf("%d records from ordinal %d: the end is out of range", r.N, r.First)
	}
	return nil
}

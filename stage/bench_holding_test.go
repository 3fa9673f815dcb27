package stage_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// BenchmarkHolding has a row for each operator that remembers items, windows of time
// among them; those have an item a second in windows of 128.
func BenchmarkHolding(b *testing.B) {
	const keys = 1 << 10
	drain(b, "op=Distinct", stage.DistinctBy(numbers(), keys, func(v int) int { return v % keys }), keys)
	drain(b, "op=DistinctForget", stage.Distinct(numbers(), keys, stage.ForgetOldest()), n)
	drain(b, "op=DistinctApprox", stage.DistinctApprox(numbers(), keys, 0.01, func(dst []byte, v int) []byte {
		return strconv.AppendInt(dst, int64(v%16), 10)
	}), 16)
	drain(b, "op=Memo", stage.Map(numbers(), stage.Memo(func(_ context.Context, v int) (int, error) { return v, nil }, 2*n)), n)
	drain(b, "op=Sample", numbers().Sample(batch, 1), batch)
	drain(b, "op=Window", stage.Window(numbers(), batch, batch), n/batch)
	drain(b, "op=Pairwise", stage.Pairwise(numbers()), n-1)
	drain(b, "op=Chunked", stage.Chunked(numbers(), batch, func(_, next int) bool { return next%batch == 0 }), n/batch)
	drain(b, "op=BatchWait", stage.BatchWait(numbers(), batch, time.Hour), n/batch)
	drain(b, "op=Throttle", numbers().Throttle(1e15, batch), n)

	when := stage.EventTime(func(v int) time.Time { return time.Unix(int64(v), 0) }, 0)
	one := func(int) int { return 0 }
	few := func(v int) int { return v % 8 }
	add := func(a, v int) (int, error) { return a + v, nil }
	sum := stage.Fold[int, int]{New: func() int { return 0 }, Add: add, Merge: add}
	const span = batch * time.Second
	drain(b, "op=Tumbling", stage.Tumbling(numbers(), when, span, one, sum), n/batch)
	drain(b, "op=Tumbling8", stage.Tumbling(numbers(), when, span, few, sum), 8*n/batch)
	drain(b, "op=Sliding4", stage.Sliding(numbers(), when, span, span/4, one, sum), 4*n/batch+3)
	drain(b, "op=Session", stage.Session(numbers(), when, 2*time.Second, one, sum), 1)
}

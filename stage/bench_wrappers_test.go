package stage_test

import (
	"context"
	"testing"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// BenchmarkWrapper is what a wrapper adds to a function that does nothing, when
// nothing fails and no turn is waited for.
func BenchmarkWrapper(b *testing.B) {
	for _, w := range []struct {
		name string
		fn   func(context.Context, int) (int, error)
	}{
		{"none", inc},
		{"Retry", stage.Retry(inc)},
		{"RetryFor", stage.Retry(inc, stage.RetryFor(time.Minute))},
		{"RetryPanics", stage.Retry(inc, stage.RetryPanics())},
		{"RateLimit", stage.RateLimit(inc, 1e12, 1<<30)},
		{"Timeout", stage.Timeout(inc, time.Minute)},
	} {
		b.Run("wrapper="+w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.fn(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

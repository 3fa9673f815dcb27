package pool_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/benchtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// BenchmarkExec is what an item costs that goes through a process, which is started in
// the time measured: cat reads and writes in blocks, upper a line at a time.
func BenchmarkExec(b *testing.B) {
	in := source.Slice(lines(benchtest.Items))
	for _, mode := range []string{"cat", "upper"} {
		for _, workers := range []int{0, 1, 2} { // 0: stage.Exec
			for _, pipeline := range []int{1, 16, 256} {
				b.Run(fmt.Sprintf("child=%s/workers=%d/pipeline=%d", mode, workers, pipeline), func(b *testing.B) {
					cmd := child(mode)
					cmd.Pipeline = pipeline
					s := stage.Exec(in, cmd)
					if workers > 0 {
						s = pool.Exec(pool.New(workers), in, cmd)
					}
					benchtest.PerItem(b, benchtest.Items, func() {
						n, err := s.Count(b.Context())
						require.NoError(b, err)
						require.EqualValues(b, benchtest.Items, n)
					})
				})
			}
		}
	}
}

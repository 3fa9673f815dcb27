package sweep_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/benchmarks/sweep/sweep"
)

// A report that was written as JSON can be read and asked again.
func ExampleReport_Advice() {
	const earlier = `{"job": "resize", "items": 500, "rounds": 5, "baseline": {"mode": "sequential", "workers": 1, "items_per_second": 410},
		"rows": [
			{"mode": "ordered", "workers": 4, "chunk": 0, "items_per_second": 1560, "settled_chunk": 1, "spread": 0.01},
			{"mode": "ordered", "workers": 4, "chunk": 1, "items_per_second": 1580, "settled_chunk": 1, "spread": 0.02},
			{"mode": "ordered", "workers": 4, "chunk": 16, "items_per_second": 1210, "settled_chunk": 16, "spread": 0.03}]}`
	var report sweep.Report
	if err := json.NewDecoder(strings.NewReader(earlier)).Decode(&report); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Advice())
	// Output: resize: 1 item a chunk is the best fixed size (ordered, 4 workers: 1.58 k items/s, 3.85 times the plain loop); automatic settles on 1 item and loses 1 %, within the noise of 2 %; from 1 on, larger chunks stop paying.
}

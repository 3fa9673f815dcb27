package checkpoint_test

import (
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/checkpoint"
)

// A run that goes on compares what was saved with what there is now, and refuses
// in words that say what changed.
func ExampleState_Compare() {
	state := func(size int, stages ...string) checkpoint.State {
		return checkpoint.State{
			Topology: checkpoint.Topology{Stages: stages},
			Sources:  []checkpoint.Source{{Name: "flights.csv", Fingerprint: json.RawMessage(fmt.Sprintf(`{"size":%d}`, size))}},
		}
	}
	saved, now := state(484_000_000, "parse/v1", "filter"), state(3100, "parse/v2", "filter")
	fmt.Println(saved.Compare(state(484_000_000, "parse/v1", "filter")))
	fmt.Println(saved.Compare(now))
	// Output:
	// <nil>
	// checkpoint: the pipeline has changed since: stage 1: was "parse/v1", is "parse/v2"; source 1: flights.csv: size was 484,000,000, is 3,100
}

package checkpoint_test

import (
	"fmt"

	"github.com/penstock-go/penstock/checkpoint"
)

// Records are done in any order; a run that goes on reads again from the last
// range below the first gap, and passes over what is done.
func ExampleTracker() {
	var t checkpoint.Tracker[int64] // positions are byte offsets
	for _, r := range []struct{ first, n, offset int64 }{{0, 100, 0}, {100, 100, 4096}, {300, 100, 12288}} {
		if err := t.Done(r.first, r.n, r.offset); err != nil {
			fmt.Println(err)
			return
		}
	}
	p := t.Progress()
	fmt.Println("reopen at byte", p.At, "which is record", p.First)
	for r := range p.Skip(100, 400) {
		fmt.Println("left to do:", r)
	}
	fmt.Println(t.Done(350, 10, 14336))
	// Output:
	// reopen at byte 4096 which is record 100
	// left to do: [200, 300)
	// left to do: [400, 500)
	// checkpoint: records [350, 360) are acknowledged again: [300, 400) are done already
}

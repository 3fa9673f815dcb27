package stage_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Sort keeps to the memory it is given, whatever the input's size: what does not fit
// waits in temporary files.
func ExampleSort() {
	words := source.Of("pump", "gate", "turbine", "dam", "pipe")
	sorted := stage.Sort(words, strings.Compare, stage.SpillMemory(16<<20))
	for word, err := range sorted.All(context.Background()) {
		fmt.Println(word, err)
	}
	// Output:
	// dam <nil>
	// gate <nil>
	// pipe <nil>
	// pump <nil>
	// turbine <nil>
}

// An item with an interface in it needs a codec of its own.
func ExampleSpillCodec() {
	type reading struct {
		sensor fmt.Stringer
		value  float64
	}
	encode := func(dst []byte, r reading) ([]byte, error) {
		return fmt.Appendf(dst, "%s %g", r.sensor, r.value), nil
	}
	decode := func(src []byte) (r reading, err error) {
		var name string
		_, err = fmt.Sscan(string(src), &name, &r.value)
		var b strings.Builder
		b.WriteString(name)
		r.sensor = &b
		return r, err
	}
	var a, b strings.Builder
	a.WriteString("inlet")
	b.WriteString("outlet")
	in := source.Of(reading{&a, 3.5}, reading{&b, 1.25})
	sorted := stage.Sort(in, func(a, b reading) int { return int(a.value*100) - int(b.value*100) },
		stage.SpillCodec(encode, decode), stage.SpillDir("/var/tmp"))
	for r, err := range sorted.All(context.Background()) {
		fmt.Println(r.sensor, r.value, err)
	}
	// Output:
	// outlet 1.25 <nil>
	// inlet 3.5 <nil>
}

package source_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/source"
)

// What failed is run again; Letters tells why it did.
func ExampleLetters() {
	dir, remove := folder(map[string]string{
		"failed.ndjson": `{"stage":"send","index":6,"file":"in.ndjson","record":7,"byte":180,"reason":"busy","attempts":5,"input":{"kind":"login","user":"ann"}}`,
	})
	defer remove()

	for l, err := range source.Letters[Event](filepath.Join(dir, "failed.ndjson")).All(context.Background()) {
		fmt.Println(l.First.User, l.Second.At.Key, l.Second.At.Offset, l.Second.Reason, l.Second.Attempts, err)
	}
	// Output: ann in.ndjson 180 busy 5 <nil>
}

func ExampleDeadLetters() {
	dir, remove := folder(map[string]string{"failed.ndjson": `{"stage":"send","index":6,"reason":"busy","input":{"kind":"login","user":"ann"}}`})
	defer remove()

	events, err := source.DeadLetters[Event](filepath.Join(dir, "failed.ndjson")).Collect(context.Background())
	fmt.Println(events, err)
	// Output: [{login ann}] <nil>
}

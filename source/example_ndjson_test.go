package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/source"
)

// Event is a line of an NDJSON file.
type Event struct {
	Kind string `json:"kind"`
	User string `json:"user"`
}

func ExampleNDJSON() {
	dir, remove := folder(map[string]string{"events.ndjson": `{"kind":"login","user":"ann"}` + "\n" + `{"kind":"logout","user":"bob"}`})
	defer remove()

	for e, err := range source.NDJSON[Event](filepath.Join(dir, "events.ndjson")).All(context.Background()) {
		fmt.Println(e.Kind, e.User, err)
	}
	// Output:
	// login ann <nil>
	// logout bob <nil>
}

// Names in any case, as encoding/json takes them.
func ExampleDecoder() {
	dir, remove := folder(map[string]string{"events.ndjson": `{"KIND":"login","User":"ann"}`})
	defer remove()

	events := source.NDJSON[Event](filepath.Join(dir, "events.ndjson"), source.Decoder(json.Unmarshal))
	got, err := events.Collect(context.Background())
	fmt.Println(got, err)
	// Output: [{login ann}] <nil>
}

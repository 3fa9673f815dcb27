package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/penstock-go/penstock/source"
)

func ExampleJSON() {
	dir, remove := folder(map[string]string{"events.json": "[\n  {\"kind\":\"login\",\"user\":\"ann\"},\n  {\"kind\":\"logout\",\"user\":\"bob\"}\n]\n"})
	defer remove()

	for e, err := range source.JSON[Event](filepath.Join(dir, "events.json")).All(context.Background()) {
		fmt.Println(e.Kind, e.User, err)
	}
	// Output:
	// login ann <nil>
	// logout bob <nil>
}

// Only lines that may matter are decoded.
func ExampleJSONLines() {
	dir, remove := folder(map[string]string{"events.ndjson": `{"kind":"login","user":"ann"}` + "\n" + `{"kind":"logout","user":"bob"}`})
	defer remove()

	lines := source.JSONLines(filepath.Join(dir, "events.ndjson")).Filter(func(line json.RawMessage) bool {
		return bytes.Contains(line, []byte(`"logout"`))
	})
	for line, err := range lines.All(context.Background()) {
		fmt.Println(string(line), err)
	}
	// Output: {"kind":"logout","user":"bob"} <nil>
}

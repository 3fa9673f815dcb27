package subprocess

import (
	"fmt"
	"unsafe"

	"github.com/go-json-experiment/json"
)

// Codec turns items into requests and answers into results. Both are lines without
// their ends.
type Codec[A, B any] struct {
	Encode func(dst []byte, item A) ([]byte, error)
	Decode func(answer []byte) (B, error) // may keep the answer
}

// Lines is the codec of plain lines.
func Lines() Codec[string, string] {
	return Codec[string, string]{
		Encode: func(dst []byte, item string) ([]byte, error) { return append(dst, item...), nil },
		Decode: func(answer []byte) (string, error) { // memory of its own, which nobody changes
			return unsafe.String(unsafe.SliceData(answer), len(answer)), nil
		},
	}
}

// JSON is the codec of NDJSON records, as sinks and sources have them.
func JSON[A, B any]() Codec[A, B] {
	return Codec[A, B]{
		Encode: func(dst []byte, item A) ([]byte, error) {
			b, err := json.Marshal(&item, json.Deterministic(true))
			return append(dst, b...), err
		},
		Decode: func(answer []byte) (b B, err error) {
			if err = json.Unmarshal(answer, &b); err != nil {
				var none B
				return none, fmt.Errorf("the answer %q: %w", answer[:min(len(answer), 80)], err)
			}
			return b, nil
		},
	}
}

package source

import (
	"errors"

	inputs "github.com/penstock-go/penstock/internal/paths"
)

// stdin is the path of standard input, stdinName what positions and errors call
// it.
const (
	stdin     = inputs.Stdin
	stdinName = "stdin"
)

// expand finds the files that the paths name, in the paths' order, those of a
// pattern or folder in lexical order.
func expand(paths []string) ([]string, error) {
	files, err := inputs.Expand(paths)
	if bad, ok := errors.AsType[*inputs.Error](err); ok {
		return nil, &Error{File: bad.Path, Err: bad.Err}
	}
	return files, err
}

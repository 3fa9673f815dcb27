package source

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

// stdin is the path of standard input, stdinName what positions and errors call
// it.
const (
	stdin     = "-"
	stdinName = "stdin"
)

// expand finds the files that the paths name, in the paths' order, those of a
// pattern in lexical order.
func expand(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		if path == stdin {
			files = append(files, path)
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			return nil, &Error{File: path, Err: syscall.EISDIR}
		case err == nil:
			files = append(files, path)
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, `*?[{\`):
			matches, err := match(path)
			if err != nil {
				return nil, &Error{File: path, Err: err}
			}
			files = append(files, matches...)
		default:
			return nil, &Error{File: path, Err: pathless(err)}
		}
	}
	return files, nil
}

// match finds the files that match a pattern. A folder that cannot be read is
// an error, so that nothing is left out in silence.
func match(pattern string) ([]string, error) {
	files, err := doublestar.FilepathGlob(pattern, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	if err == nil && len(files) == 0 {
		err = ErrNoMatch
	}
	slices.Sort(files)
	return files, err
}

// Package paths finds the files that the sources of files are to read.
package paths

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

// Stdin is the path of standard input.
const Stdin = "-"

// ErrNoMatch says that no file matches a pattern.
var ErrNoMatch = errors.New("no file matches")

// Error is a path that names no files.
type Error struct {
	Path string
	Err  error
}

// Error names the path and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Expand finds the files that the paths name, in the paths' order, those of a
// pattern in lexical order. Stdin stands for itself. An error is an *Error.
func Expand(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		if path == Stdin {
			files = append(files, path)
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			return nil, &Error{Path: path, Err: syscall.EISDIR}
		case err == nil:
			files = append(files, path)
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, `*?[{\`):
			matches, err := match(path)
			if err != nil {
				return nil, &Error{Path: path, Err: err}
			}
			files = append(files, matches...)
		default:
			return nil, &Error{Path: path, Err: Pathless(err)}
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

// Pathless is an error of package os without the path, which our own errors
// name.
func Pathless(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

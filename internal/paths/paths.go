// Package paths finds the files that the sources of files are to read.
package paths

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
// pattern or folder in lexical order. Stdin stands for itself. An error is an *Error.
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
			inside, err := below(path)
			if err != nil {
				return nil, &Error{Path: path, Err: Pathless(err)}
			}
			files = append(files, inside...)
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

// below finds the regular files in a folder and the folders in it. Names that
// begin with a dot are passed over; a link to a file is one, a link to a folder is
// not followed. What cannot be looked at is an error, as with match.
func below(dir string) (files []string, err error) {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		dir += string(filepath.Separator) // the folder that was named, though by a link
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.Type()&fs.ModeSymlink != 0 && path != dir:
			info, err := os.Stat(path)
			if err == nil && info.Mode().IsRegular() {
				files = append(files, path)
			}
			return err
		case entry.Type().IsRegular():
			files = append(files, path)
		}
		return nil
	})
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

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// inputError says that inputs cannot be found, which is no mistake in a flag.
type inputError struct{ error }

// Unwrap returns the cause.
func (e inputError) Unwrap() error { return e.error }

// standard is the name of standard input and output.
const standard = "-"

// expand makes files of files, patterns and folders, each in lexical order, as
// the sources do: the formats of the files have to be known before.
func expand(paths []string) (files []string, err error) {
	for _, path := range paths {
		more, err := expandOne(path)
		if err != nil {
			return nil, inputError{err}
		}
		files = append(files, more...)
	}
	return files, nil
}

func expandOne(path string) (files []string, err error) {
	if path == standard {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		files, err = within(path)
	case err == nil:
		return []string{path}, nil
	case !strings.ContainsAny(path, "*?[{"):
		return nil, err
	default:
		files, err = doublestar.FilepathGlob(path, doublestar.WithFilesOnly())
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no files", path)
	}
	return files, err
}

// within are the regular files of a folder and of those in it, but for hidden ones.
func within(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch hidden := path != folder && strings.HasPrefix(e.Name(), "."); {
		case err != nil:
			return err
		case hidden && e.IsDir():
			return fs.SkipDir
		case !hidden && e.Type().IsRegular():
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// sizes are how large files are together. Standard input is not counted.
func sizes(files []string) (total int64, err error) {
	for _, file := range files {
		if file == standard {
			continue
		}
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Data finds a file of the repository by its path from the root: where this file
// was compiled, or else in the clone around the current folder. The path that it
// returns is short where the file is below the current folder.
func Data(path string) (string, error) {
	path = filepath.FromSlash(path)
	if _, source, _, ok := runtime.Caller(0); ok {
		if found, ok := around(filepath.Dir(source), path); ok {
			return short(found), nil
		}
	}
	folder, err := os.Getwd()
	if found, ok := around(folder, path); err == nil && ok {
		return short(found), nil
	}
	return "", fmt.Errorf("%s is nowhere around here: name files yourself", path)
}

// around looks for path in the folder and those that it is in.
func around(folder, path string) (string, bool) {
	for {
		here := filepath.Join(folder, path)
		if _, err := os.Stat(here); err == nil {
			return here, true
		}
		up := filepath.Dir(folder)
		if up == folder {
			return "", false
		}
		folder = up
	}
}

// short names a file from the current folder if it is below that.
func short(path string) string {
	if folder, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

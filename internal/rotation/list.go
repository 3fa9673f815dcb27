// Package rotation finds the files that a log was written to before the present one:
// it lists what stands beside a file under the names that rotation gives, tells
// files apart whatever they are called, and puts them in order.
package rotation

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Sibling is a file beside the one that is followed, under a name of a rotated one.
type Sibling struct {
	Path string
	Info os.FileInfo

	name name
}

// Compressed reports whether the file's name says that it is compressed.
func (s *Sibling) Compressed() bool { return s.name.compressed }

// List finds the regular files in a folder whose names are those of rotated files.
// A folder that is not there has none.
func List(folder string, scheme Scheme) ([]Sibling, error) {
	entries, err := os.ReadDir(folder)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Sibling
	for _, e := range entries {
		n, ok := scheme.parse(e.Name())
		if !ok || e.Type() != 0 && e.Type() != fs.ModeIrregular {
			continue
		}
		path := filepath.Join(folder, e.Name())
		info, err := os.Lstat(path)
		if os.IsNotExist(err) { // renamed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			all = append(all, Sibling{Path: path, Info: info, name: n})
		}
	}
	return all, nil
}

// Known reports whether s is a file of a listing before, as it was then: an inode
// that another file has now does not count.
func Known(before []Sibling, s *Sibling) bool {
	for i := range before {
		was := before[i].Info
		if os.SameFile(was, s.Info) && was.Size() == s.Info.Size() && was.ModTime().Equal(s.Info.ModTime()) {
			return true
		}
	}
	return false
}

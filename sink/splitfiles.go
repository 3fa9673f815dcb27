package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/penstock-go/penstock/stage"
)

// splitFiles are files with numbers in one folder.
type splitFiles struct {
	partFiles

	path  string
	names partNames
	n     int      // the number of the file at hand, or of the last one
	part  partFile // the file at hand, or nil
}

// splitPath is the folder and the names of the files that a path is split into.
func splitPath(path string) (dir string, names partNames) {
	dir, base := filepath.Split(path)
	return filepath.Clean(dir), partsOf(base)
}

// createSplit begins the files of a run with a checkpoint.
func createSplit(ctx context.Context, path string, o *fileOptions) (*splitFiles, error) {
	dir, names := splitPath(path)
	set, err := openPartSet(ctx, dir, names, o.without)
	if err != nil {
		return nil, err
	}
	return &splitFiles{partFiles: set, path: path, names: names}, set.enter(".")
}

// restoreSplit goes on with the files of a run with a checkpoint.
func restoreSplit(ctx context.Context, path string, o *fileOptions, restore json.RawMessage) (w *fileWriter, items int64, err error) {
	dir, names := splitPath(path)
	set, state, err := reopenPartSet(ctx, restore, path, dir, names, 0, o.without)
	if err != nil {
		return nil, 0, err
	}
	if len(state.Open) > 1 {
		return nil, 0, fmt.Errorf("the checkpoint's state: %d files go on, want at most 1", len(state.Open))
	}
	f := &splitFiles{partFiles: set, path: path, names: names, n: set.numbers()["."]}
	w = newFileWriter(path, o, f)
	w.any = state.Begun
	for p := range set.open {
		f.part, w.size = p, p.size
	}
	return w, state.Items, nil
}

func (f *splitFiles) next() (w io.Writer, err error) {
	if f.part != nil {
		return f.part, nil
	}
	part, err := f.Create(".", f.names.name(f.n+1))
	if err != nil {
		return nil, err
	}
	f.n++
	f.part = part
	return part, nil
}

func (f *splitFiles) finish() error {
	part := f.part
	f.part = nil
	return part.Finish()
}

// goesOn implements durable. A file that has no bytes may lack its header, as of
// blocks of which none has come.
func (f *splitFiles) goesOn(bool) bool {
	p, ok := f.part.(*part)
	return ok && p.size > 0
}

func (f *splitFiles) ended() bool {
	set, ok := f.partFiles.(*partSet)
	return ok && set.ended
}

func (f *splitFiles) speaks() bool {
	set, ok := f.partFiles.(*partSet)
	return ok && set.kept
}

// prepare implements durable.
func (f *splitFiles) prepare(epoch uint64, begun bool, items, size int64) (any, error) {
	set, ok := f.partFiles.(*partSet)
	if !ok {
		return nil, errors.New("it was opened for a run without a checkpoint")
	}
	if p, ok := f.part.(*part); ok {
		p.size = size
	}
	state, err := set.prepare(epoch)
	state.Path, state.Begun, state.Items = f.path, begun, items
	return state, err
}

// publish gives those files their names that a checkpoint says are complete.
func (w *fileWriter) publish(name string) error {
	f, ok := w.files.(*splitFiles)
	if !ok {
		return nil
	}
	if set, ok := f.partFiles.(*partSet); ok {
		if err := set.publish(false); err != nil {
			return fmt.Errorf("sink: %s: %w", name, err)
		}
	}
	return nil
}

// count notes how many records were written to the file at hand: all that there
// are, or those of b.
func (f *splitFiles) count(b []byte, all bool, items int, format stage.Format) int {
	p, ok := f.part.(*part)
	if !ok {
		return items
	}
	if !all {
		items = recordsOf(b, format)
	}
	p.Rows += int64(items)
	return items
}

// recordsOf counts the records of a block that was cut.
func recordsOf(b []byte, format stage.Format) (n int) {
	for ; len(b) > 0; n++ {
		b = b[cut(b, 1, format):]
	}
	return n
}

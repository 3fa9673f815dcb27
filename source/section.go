package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Section is a part of the inputs that can be read by itself; see [Split]. It is
// plain data, to be sent to another process as JSON.
type Section []FileSection

// FileSection is a part of one file: the records that begin behind byte From, up
// to and including byte To, of the decompressed data. The record that begins at 0
// belongs to the section from 0.
type FileSection struct {
	Path string `json:"path"`
	Part int32  `json:"part"`        // which input it is, from 0
	From int64  `json:"from"`        // decompressed bytes
	To   int64  `json:"to,omitzero"` // decompressed bytes; 0: to the end
	At   int64  `json:"at"`          // where in the file, as it is stored, From is
	Size int64  `json:"size"`        // of the file, as it is stored; reading another fails
}

// maxParts bounds the part of a section.
const maxParts = 1 << 20

// errChanged says that a file is not the one that was split.
var errChanged = errors.New("the file changed since it was split")

// Within makes a source read a section that [Split] made, in place of its paths:
// what Split was given stays in the plan's description. A position's part, offset
// and key are those of the whole read; its record counts from the section's
// start. A CSV source reads each file from its start to find its header and which
// newlines are quoted; it delivers the section only. Within panics if the section
// is not one that Split can make.
func Within(s Section) Option {
	last := int32(-1)
	for i, f := range s {
		if f.Path == "" || f.Path == stdin || f.Part <= last || f.Part >= maxParts ||
			f.From < 0 || f.To < 0 || f.To > 0 && f.To < f.From || f.At < 0 || f.Size < 0 {
			panic(fmt.Sprintf("penstock: source.Within: s[%d] is no section of a file: %+v", i, f))
		}
		last = f.Part
	}
	own := append(Section{}, s...)
	return option{name: "Within", fn: func(o *options) { o.section = own }}
}

// inputs are the files to read, or the parts of them.
func (s *options) inputs() ([]FileSection, error) {
	if s.section != nil {
		return s.section, nil
	}
	paths, err := expand(s.paths)
	if err != nil {
		return nil, err
	}
	inputs := make([]FileSection, len(paths))
	for i, path := range paths {
		inputs[i] = FileSection{Path: path, Part: int32(i), Size: -1}
	}
	return inputs, nil
}

// section begins to read the input's part of a file that has size bytes.
func (f *files) section(file *os.File, size int64) error {
	f.stored = size
	in := f.inputs[f.input]
	if in.Size >= 0 && in.Size != size {
		return fmt.Errorf("%w: it has %d bytes, had %d", errChanged, size, in.Size)
	}
	seek := in.At > 0 && f.lines && f.header == nil
	if seek {
		if _, err := file.Seek(in.At, io.SeekStart); err != nil {
			return err
		}
	}
	f.read(file, true)
	if seek {
		f.reader.Begin(in.From)
	}
	f.before = in.From > 0 || in.To > 0
	return nil
}

// skip passes over what comes before the section, and sets its end.
func (f *files) skip(ctx context.Context) error {
	in := f.inputs[f.input]
	if in.From > 0 {
		f.reader.Until(in.From)
		for {
			b, err := f.reader.Next(ctx, maxBlockSize, 0)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			f.memory.Free(b.Data)
		}
	}
	if in.To > 0 {
		f.reader.Until(in.To)
	} else {
		f.reader.Until(maxOffset)
	}
	f.before = false
	return nil
}

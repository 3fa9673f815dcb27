package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/penstock-go/penstock/internal/fsys"
)

// partsState is what a checkpoint holds of numbered files. Those that were
// published before are in the manifest.
type partsState struct {
	Path      string      `json:"path"`
	Run       string      `json:"run"`
	Published int         `json:"published"`
	Full      []partEntry `json:"full,omitempty"`
	Open      []openPart  `json:"open,omitempty"`
	Begun     bool        `json:"begun,omitzero"`
	Items     int64       `json:"items,omitzero"`
}

// openPart is a file that goes on.
type openPart struct {
	partEntry

	Size int64 `json:"size"` // before compression
}

// prepare makes what was written last, and returns what to go on from, but for
// what only the caller knows.
func (s *partSet) prepare(epoch uint64) (partsState, error) {
	state := partsState{Run: s.run, Published: len(s.public)}
	if s.ended {
		state.Full = entries(s.full)
		return state, nil
	}
	for _, p := range s.full {
		p.stamp(epoch)
	}
	state.Full = entries(s.full)
	for _, p := range s.unfinishedParts() {
		if err := p.sync(); err != nil {
			return state, err
		}
		p.stamp(epoch)
		state.Open = append(state.Open, openPart{partEntry: p.partEntry, Size: p.size})
	}
	for _, dir := range slices.Sorted(maps.Keys(s.unsynced)) {
		if err := s.fs.SyncDir(dir); err != nil {
			return state, err
		}
	}
	clear(s.unsynced)
	s.kept, s.due = true, len(s.full)
	return state, nil
}

// stamp notes the checkpoint that speaks of what is new in a file.
func (p *part) stamp(epoch uint64) {
	if p.FirstEpoch == 0 {
		p.FirstEpoch = epoch
	}
	if p.LastEpoch == 0 || p.set.open[p] {
		p.LastEpoch = epoch
	}
}

func entries(parts []*part) (all []partEntry) {
	for _, p := range parts {
		all = append(all, p.partEntry)
	}
	return all
}

// reopenPartSet goes on with the files that a checkpoint speaks of. Folders are
// within the root so many levels down.
func reopenPartSet(ctx context.Context, restore json.RawMessage, name, root string, names partNames, levels int, without lack) (*partSet, partsState, error) {
	var state partsState
	if err := json.Unmarshal(restore, &state); err != nil {
		return nil, state, fmt.Errorf("the checkpoint's state: %w", err)
	}
	if state.Path != name {
		return nil, state, fmt.Errorf("the checkpoint is of a run that wrote %s", state.Path)
	}
	s := newPartSet(ctx, root, names, without)
	s.run, s.kept = state.Run, true
	m, err := readManifest(s.fs, s.manifest())
	if err != nil {
		return nil, state, err
	}
	if m.Run == s.run && m.Complete {
		s.ended = true
	}
	return s, state, s.restore(m, &state, levels)
}

func (s *partSet) restore(m manifest, state *partsState, levels int) error {
	s.before(m)
	if m.Run == s.run {
		for _, e := range m.Parts {
			if e.Run == "" {
				s.public = append(s.public, e)
			}
		}
	}
	if len(s.public) < state.Published {
		return fmt.Errorf("%s lists %d files of this run, and did list %d", s.manifest(), len(s.public), state.Published)
	}
	if s.ended {
		return nil
	}
	s.public = s.public[:state.Published] // those behind are published once more
	for _, e := range state.Full {
		s.full = append(s.full, &part{partEntry: e, set: s})
		s.known[e.File], s.hides[e.File] = true, true
	}
	s.due = len(s.full)
	for _, o := range state.Open {
		p := &part{partEntry: o.partEntry, set: s, size: o.Size}
		if err := p.cutBack(); err != nil {
			return fmt.Errorf("what the run before has written: %w", err)
		}
		s.open[p], s.known[p.File], s.hides[p.File] = true, true, true
	}
	return s.sweepAll(".", levels)
}

// cutBack removes what came after the checkpoint.
func (p *part) cutBack() error {
	files, hidden := p.set.fs, p.set.hidden(p.File)
	info, err := files.Stat(hidden)
	if errors.Is(err, fs.ErrNotExist) {
		there, failed := fsys.IsFile(files, p.set.place(p.File), p.Bytes, p.CRC)
		if there && failed == nil { // the run before has ended but for the note of it
			p.public = true
			return nil
		}
		return errors.Join(err, failed)
	}
	switch {
	case err != nil:
		return err
	case info.Size() < p.Bytes:
		return fmt.Errorf("%s has %d bytes, and had %d", hidden, info.Size(), p.Bytes)
	case info.Size() == p.Bytes || p.set.without.cut:
		return nil
	}
	f, err := files.OpenFile(hidden, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	p.dirty = true
	return errors.Join(f.Truncate(p.Bytes), f.Close())
}

// sweepAll sweeps a folder and those below it that may hold files.
func (s *partSet) sweepAll(dir string, levels int) error {
	here, err := s.fs.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	if levels == 0 {
		return s.sweep(dir, here)
	}
	for _, e := range here {
		if !e.IsDir() { // nor a link to a folder
			continue
		}
		if err := s.sweepAll(path.Join(dir, e.Name()), levels-1); err != nil {
			return err
		}
	}
	return nil
}

// numbers is how many files each folder has of this run.
func (s *partSet) numbers() map[string]int {
	n := map[string]int{}
	for _, e := range s.public {
		n[path.Dir(e.File)]++
	}
	for _, p := range s.full {
		n[path.Dir(p.File)]++
	}
	for p := range s.open {
		n[path.Dir(p.File)]++
	}
	return n
}

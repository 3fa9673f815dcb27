package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/penstock-go/penstock/internal/rotation"
	"github.com/penstock-go/penstock/stage"
)

// followFingerprint is what must not change of a file that is followed. What is in it
// does: which file a position means is in the position's key.
type followFingerprint struct {
	Path    string             `json:"path"`
	Records recordsFingerprint `json:"records"`
}

// Fingerprint implements stage.Resumable.
func (f *follower) Fingerprint(context.Context) (json.RawMessage, error) {
	return json.Marshal(followFingerprint{Path: f.path, Records: recordsFingerprint{MaxRecord: f.opts.maxRecord}})
}

// tries is how often Seek looks while a rotation is under way.
const tries = 100

// Seek implements stage.Resumable: it finds the file that a position is in, and those
// that came after it, which it opens. So what came after a position is the same
// for every run that goes on from there.
func (f *follower) Seek(ctx context.Context, at stage.Position, first int64) error {
	if at == (stage.Position{}) && first == 0 {
		return nil
	}
	m, ok := parseKey(f.path, at.Key)
	if !ok || at.Record < 0 || first < at.Record || at.Offset < 0 || at.Part < 0 {
		return placeError(at, first, "its numbers do not fit together")
	}
	if err := f.Close(); err != nil {
		return err
	}
	var err error
	for range tries {
		if err = f.goTo(m, at); err == nil || !errors.Is(err, ErrGap) {
			break
		}
		if err := waitFor(ctx, f.clock, f.live.linger/tries+1); err != nil {
			return err
		}
	}
	if err != nil {
		return errors.Join(&Error{File: f.path, Record: at.Record + 1, Byte: at.Offset, Err: pathless(err)}, f.Close())
	}
	f.part = at.Part - 1
	f.begin()
	f.placed = true
	f.tally.Begin(first, at.Part, at.Record)
	if m.gap {
		f.gaps = append(f.gaps, fmt.Errorf("%w: an earlier run has found that out", ErrGap))
	}
	return nil
}

// goTo opens the file that a mark tells of, and those after it.
func (f *follower) goTo(m mark, at stage.Position) error {
	now := f.clock.Now()
	present, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all, err := f.siblings(present)
	if err != nil {
		return err
	}
	file, from, err := f.find(m, at, present, all)
	if err != nil {
		return err
	}
	err = errors.Join(file.hasLine(at.Offset), file.goTo(at.Offset))
	if err != nil || from < 0 {
		f.past.Siblings = all
		f.add(now, file)
		return err
	}
	next, why := rotation.After(all, from, nil)
	if why == "" && len(next) >= maxAhead {
		why = fmt.Sprintf("%d files came after it", len(next))
	}
	if why != "" {
		return errors.Join(fmt.Errorf("%w: %s", ErrGap, why), file.close())
	}
	files, err := f.openAll(next, present)
	if err == nil && len(files) == 0 && present != nil {
		err = fmt.Errorf("%w: a rotation is under way", ErrGap)
	}
	if err != nil {
		return errors.Join(err, file.close())
	}
	f.past.Siblings = all
	f.add(now, append([]*followed{file}, files...)...)
	return nil
}

// find opens the file that a mark tells of: the one at the path, for which from is
// -1, or one of those beside it.
func (f *follower) find(m mark, at stage.Position, present os.FileInfo, all []rotation.Sibling) (file *followed, from int, err error) {
	type candidate struct {
		path string
		info os.FileInfo
		from int
	}
	var places []candidate
	if present != nil {
		places = append(places, candidate{f.path, present, -1})
	}
	for i := range all {
		if !all[i].Compressed() {
			places = append(places, candidate{all[i].Path, all[i].Info, i})
		}
	}
	var others []*followed // that only begin as it did
	defer func() {
		for _, o := range others {
			if o != file {
				err = errors.Join(err, o.close())
			}
		}
	}()
	for _, c := range places {
		o, err := openFollowed(c.path, c.info)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, 0, err
		case o == nil || err != nil:
			continue
		}
		is := m.fits(o) && o.seen >= at.Offset
		others = append(others, o)
		if is && m.id != "" && m.id == o.id {
			if m.n == 0 && c.from < 0 && m.changedSince(all) {
				return nil, 0, fmt.Errorf("%w: the file was empty, and may have been truncated since", ErrGap)
			}
			return o, c.from, nil
		}
		// The start must say enough: it is a copy, or this system numbers no files.
		if is && m.n >= min(witness, max(1, at.Offset)) {
			if file != nil {
				return nil, 0, fmt.Errorf("%w: the file to go on in is not there any more, and several begin as it did", ErrGap)
			}
			file, from = o, c.from
		}
	}
	if file == nil {
		return nil, 0, fmt.Errorf("%w: the file to go on in (%s) is not in its folder any more", ErrGap, filepath.Base(at.Key))
	}
	return file, from, nil
}

// changedSince reports whether a file was changed since the mark of an empty one.
func (m mark) changedSince(all []rotation.Sibling) bool {
	return slices.ContainsFunc(all, func(s rotation.Sibling) bool { return s.Info.ModTime().UnixNano() >= int64(m.sum) })
}

// hasLine reports whether a line begins at a place.
func (f *followed) hasLine(at int64) error {
	b, err := f.bytes(max(0, at-int64(len(bom))), min(at, int64(len(bom))))
	if err == nil && at > 0 && b[len(b)-1] != '\n' && string(b) != bom {
		err = errors.New("no line begins there")
	}
	return err
}

// goTo goes to a place.
func (f *followed) goTo(at int64) (err error) {
	f.pos = at
	f.seam, err = f.bytes(max(0, at-witness), min(witness, at))
	return err
}

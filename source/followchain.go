package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/internal/rotation"
)

// ErrGap says that lines may be missing in a [Follow]: that it cannot be told what
// was written between two lines.
var ErrGap = errors.New("lines may be missing")

// maxAhead bounds how many rotated files a chain holds open.
const maxAhead = 64

// chain finds out which files are at a path, one after the other.
type chain struct {
	path   string
	live   *liveOptions
	tip    *followed     // the newest file that is known; nil before the first
	ahead  []*followed   // what is to be read after the present one; the last is tip
	past   rotation.Past // what stood beside tip while it was at the path
	absent bool          // there was no file when the stream began, only what past says
	doubt  time.Time     // since when it cannot be told what came after tip
	same   int           // listings in a row between which the folder did not change
	folder time.Time     // when that was changed last
}

// isSettled is after so many listings without a change of the folder there need be
// no more: the time of its last change is not exact.
const isSettled = 16

// look finds out what is at the path now, and what came between. While files are being
// renamed it may find nothing.
func (c *chain) look(now time.Time) error {
	if err := c.lookNow(now); !errors.Is(err, errMoving) {
		return err
	}
	return nil
}

func (c *chain) lookNow(now time.Time) error {
	if len(c.ahead) >= maxAhead {
		return nil
	}
	present, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		present, err = nil, nil
	}
	switch {
	case err != nil:
		return err
	case c.tip == nil && present != nil && !c.absent:
		return c.first(now)
	case c.tip == nil:
		return c.awaited(present, now)
	case present == nil || !os.SameFile(present, c.tip.info):
		return c.rotated(present, now)
	}
	empty := c.tip.seen == 0
	whole, err := c.tip.look()
	if err == nil && whole && empty {
		if whole, err = c.allSeen(); err != nil {
			c.tip.head, c.tip.seen = nil, 0
		}
	}
	if err != nil {
		return err
	}
	if !whole {
		return c.truncated(now)
	}
	c.doubt = time.Time{}
	return c.remember(present)
}

// allSeen reports whether nothing shows that the file at the path, which was empty,
// had something in it that was copied and cut off before anybody looked. If it had,
// tip is empty again.
func (c *chain) allSeen() (bool, error) {
	all, err := c.siblings(c.tip.info)
	if err != nil {
		return false, err
	}
	for i := range all {
		s := &all[i]
		if s.Compressed() || s.Info.Size() == 0 || rotation.Known(c.past.Siblings, s) {
			continue
		}
		f, err := openFollowed(s.Path, s.Info)
		if errors.Is(err, fs.ErrNotExist) || f == nil && err == nil {
			continue
		}
		if err != nil {
			return false, err
		}
		if _, err := c.tip.look(); err != nil { // what is copied may still be in it
			return false, errors.Join(err, f.close())
		}
		copying := f.copiedTo(c.tip)
		if err := f.close(); err != nil {
			return false, err
		}
		if !copying {
			c.tip.head, c.tip.seen = nil, 0
			return false, nil
		}
	}
	return true, nil
}

// first opens the first file.
func (c *chain) first(now time.Time) error {
	f, err := openFollowed(c.path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.add(now, f)
	return c.remember(f.info)
}

// awaited opens the first file where there was none when the stream began, and those
// that came and were rotated away before anybody looked.
func (c *chain) awaited(present os.FileInfo, now time.Time) error {
	all, err := c.siblings(present)
	if err != nil {
		return err
	}
	if !c.absent { // what is there now is older
		if c.past.Siblings = nil; c.isPresent(nil) {
			c.absent, c.past.Siblings = true, all
		}
		return nil
	}
	next, why := rotation.After(all, -1, &c.past)
	if why != "" && c.doubts(now) || present == nil && len(next) == 0 {
		return nil
	}
	files, err := c.openAll(next, present)
	if err == nil && len(files) > 1 && files[len(files)-2].copiedTo(files[len(files)-1]) && c.doubts(now) {
		for _, f := range files { // the copy of what is about to be truncated
			err = errors.Join(err, f.close())
		}
		return err
	}
	return c.found(files, err, why, all, now)
}

// add puts files behind those that are known.
func (c *chain) add(now time.Time, files ...*followed) {
	for _, f := range files {
		f.known = now
		c.ahead, c.tip = append(c.ahead, f), f
	}
	c.doubt, c.same = time.Time{}, 0
}

// place is the folder to look for rotated files in, and their names.
func (c *chain) place() (folder string, scheme rotation.Scheme, err error) {
	path := c.path
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", scheme, err
		}
		scheme.Link = true
	}
	folder, scheme.Base = filepath.Split(path)
	folder = filepath.Clean(folder)
	if c.live.rotated != "" {
		var below string
		below, scheme.Pattern = filepath.Split(c.live.rotated)
		if filepath.IsAbs(below) {
			folder = below
		} else {
			folder = filepath.Join(folder, below)
		}
	}
	return folder, scheme, nil
}

// siblings are the rotated files; present is not one, whatever it is called.
func (c *chain) siblings(present os.FileInfo) ([]rotation.Sibling, error) {
	folder, scheme, err := c.place()
	if errors.Is(err, fs.ErrNotExist) { // the link is being replaced
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := listed(folder, scheme)
	if errors.Is(err, fs.ErrPermission) { // a rotation will be in doubt
		return nil, nil
	}
	if present == nil || err != nil {
		return all, err
	}
	others := all[:0]
	for _, s := range all {
		if !os.SameFile(s.Info, present) {
			others = append(others, s)
		}
	}
	return others, nil
}

// errMoving says that files were renamed all the time while a folder was listed.
var errMoving = errors.New("its files are being renamed")

// listed lists a folder until two listings are the same: one during which a file is
// renamed may lack it.
func listed(folder string, scheme rotation.Scheme) (all []rotation.Sibling, err error) {
	const most = 32
	for try := range most {
		before := all
		if all, err = rotation.List(folder, scheme); err != nil {
			return nil, err
		}
		if try > 0 && slices.EqualFunc(before, all, func(a, b rotation.Sibling) bool {
			return a.Path == b.Path && os.SameFile(a.Info, b.Info)
		}) {
			return all, nil
		}
	}
	return nil, errMoving
}

// remember notes what stands beside the file at the path, if it still is there.
func (c *chain) remember(present os.FileInfo) error {
	folder, _, err := c.place()
	if err != nil {
		return nil //nolint:nilerr // the link is being replaced
	}
	if dir, err := os.Stat(folder); err == nil {
		if !dir.ModTime().Equal(c.folder) {
			c.folder, c.same = dir.ModTime(), 0
		} else if c.same++; c.same > isSettled {
			return nil
		}
	}
	all, err := c.siblings(present)
	if err != nil {
		return err
	}
	if c.isPresent(present) {
		c.past.Siblings = all
	}
	return nil
}

// isPresent reports whether a file is at the path; nil stands for none.
func (c *chain) isPresent(info os.FileInfo) bool {
	now, err := os.Stat(c.path)
	if info == nil || err != nil {
		return info == nil && errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(now, info)
}

// rotated finds out what came after tip when another file, or none, is at the path.
func (c *chain) rotated(present os.FileInfo, now time.Time) error {
	all, err := c.siblings(present)
	if err != nil {
		return err
	}
	from := -1
	for i := range all {
		if os.SameFile(all[i].Info, c.tip.info) {
			from = i
		}
	}
	if from < 0 {
		from = c.packed(all)
	}
	next, why := rotation.After(all, from, &c.past)
	if from < 0 {
		why = "the file before is not in its folder any more, or not under a name of a rotated one"
	}
	if present == nil && (len(next) == 0 || from < 0) {
		return nil // what comes will tell
	}
	if why != "" && c.doubts(now) {
		return nil
	}
	files, err := c.openAll(next, present)
	return c.found(files, err, why, all, now)
}

// found notes files that came after tip.
func (c *chain) found(files []*followed, err error, why string, all []rotation.Sibling, now time.Time) error {
	switch {
	case err != nil && c.doubts(now):
		return nil
	case err != nil || len(files) == 0: // or it went on meanwhile
		return err
	case why != "":
		files[0].gap = fmt.Errorf("%w: %s", ErrGap, why)
	}
	c.past.Siblings = all
	c.add(now, files...)
	return nil
}

// doubts reports whether it is too early to be sure that something is wrong: a
// rotation may be under way.
func (c *chain) doubts(now time.Time) bool {
	if c.doubt.IsZero() {
		c.doubt = now
	}
	return now.Sub(c.doubt) < c.live.linger
}

// packed is which of the files is tip, compressed; -1 if none is.
func (c *chain) packed(all []rotation.Sibling) int {
	for i := range all {
		s := &all[i]
		if s.Compressed() && len(c.tip.head) > 0 && !rotation.Known(c.past.Siblings, s) && unpacksTo(s.Path, c.tip.head) {
			return i
		}
	}
	return -1
}

// unpacksTo reports whether a compressed file begins with head.
func unpacksTo(path string, head []byte) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	r := codec.NewReader(file, path, codec.NewLimits(0, 0, 0), 1)
	have := make([]byte, len(head))
	_, err = io.ReadFull(r, have)
	r.Close()
	return errors.Join(err, file.Close()) == nil && bytes.Equal(have, head)
}

// openAll opens the files that came after tip, and what is at the path. There are none
// if something has changed its place meanwhile.
func (c *chain) openAll(next []rotation.Sibling, present os.FileInfo) (files []*followed, err error) {
	stable := false
	defer func() {
		if !stable {
			for _, f := range files {
				err = errors.Join(err, f.close())
			}
			files = nil
		}
	}()
	if len(next) > maxAhead {
		next, present = next[:maxAhead], nil
	}
	one := func(path string, info os.FileInfo) bool {
		var f *followed
		if f, err = openFollowed(path, info); f != nil {
			files = append(files, f)
		}
		return f != nil
	}
	for i := range next {
		if !one(next[i].Path, next[i].Info) {
			return files, err
		}
	}
	stable = present == nil || one(c.path, present) && c.isPresent(present)
	return files, err
}

// truncated goes on when the file at the path has lost what was in it: in the copy
// that was made before, if there is one, then in what came between, and then in the
// file, from its start.
func (c *chain) truncated(now time.Time) error {
	old := c.tip
	all, err := c.siblings(old.info)
	if err != nil {
		return err
	}
	copied, from, err := c.copyOf(old, all)
	if err != nil {
		return err
	}
	next, why := rotation.After(all, from, &c.past)
	switch {
	case old.seen > old.pos && (copied == nil || copied.seen < old.seen):
		why = "it was truncated before it was read to its end, and no copy that holds all is beside it"
	case from < 0 && len(next) > 0 && old.seen > 0:
		why = "no copy of what was in it is beside it, but other files are"
	}
	if why != "" && c.doubts(now) {
		return copied.close()
	}
	files, err := c.openAll(next, nil)
	fresh := &followed{file: old.file, info: old.info, id: old.id}
	if err == nil {
		fresh.head, err = fresh.bytes(0, witness)
	}
	if err != nil || len(files) < len(next) || !c.isPresent(old.info) {
		for _, f := range files {
			err = errors.Join(err, f.close())
		}
		if errors.Is(err, fs.ErrNotExist) || c.doubts(now) {
			err = nil
		}
		return errors.Join(err, copied.close())
	}
	old.file, old.final = nil, true
	if copied != nil {
		old.file, old.info, old.id, old.name = copied.file, copied.info, copied.id, ""
		old.head, old.seen = copied.head, copied.seen
	}
	files = append(files, fresh)
	if why != "" {
		files[0].gap = fmt.Errorf("%w: %s", ErrGap, why)
	}
	c.past.Siblings = all
	c.add(now, files...)
	return nil
}

// copyOf finds the copy of what was in a file, the largest if there are several, and
// opens it to be read on, unless there is nothing more in it.
func (c *chain) copyOf(old *followed, all []rotation.Sibling) (copied *followed, from int, err error) {
	from = -1
	for i := range all {
		s := &all[i]
		if len(old.head) == 0 || s.Compressed() || from >= 0 && s.Info.Size() <= all[from].Info.Size() {
			continue
		}
		f, err := openFollowed(s.Path, s.Info)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, -1, errors.Join(err, copied.close())
		}
		if f == nil {
			continue
		}
		f.pos = old.pos
		is := f.seen < old.pos && bytes.HasPrefix(old.head, f.head)
		if f.seen >= old.pos {
			if is, err = old.isIn(f.file); err != nil {
				return nil, -1, errors.Join(err, f.close(), copied.close())
			}
		}
		drop := f
		if is {
			from, copied, drop = i, f, copied
		}
		if err := drop.close(); err != nil {
			return nil, -1, errors.Join(err, copied.close())
		}
	}
	if copied != nil && copied.seen < old.pos {
		err = copied.close()
		return nil, from, err
	}
	if from < 0 {
		from = c.packed(all)
	}
	return copied, from, nil
}

// close lets go of all files.
func (c *chain) close() (err error) {
	for _, f := range c.ahead {
		err = errors.Join(err, f.close())
	}
	c.ahead, c.tip = nil, nil
	return err
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// outputs are files that are written together: in a temporary folder beside the
// old ones, whose place they take, all or none, when publish is called.
type outputs struct {
	targets []string
	folder  string
}

// openOutputs makes the folder. The targets are in one folder, and regular files
// or not there.
func openOutputs(targets ...string) (*outputs, error) {
	for _, target := range targets {
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: not a regular file", target)
		}
	}
	folder, err := os.MkdirTemp(filepath.Dir(targets[0]), ".birdstrikes-*")
	if err != nil {
		return nil, err
	}
	return &outputs{targets, folder}, nil
}

// fresh is the i-th file of this run, until publish.
func (o *outputs) fresh(i int) string {
	return filepath.Join(o.folder, filepath.Base(o.targets[i]))
}

// publish puts the new files, which are on disk, in the place of the old ones. If
// one cannot be, all the old ones come back.
func (o *outputs) publish() (err error) {
	var undo []func() error
	defer func() {
		for i := len(undo) - 1; i >= 0 && err != nil; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	for i, target := range o.targets {
		old := filepath.Join(o.folder, "old-"+strconv.Itoa(i))
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			undo = append(undo, func() error { return removed(target) })
		case err != nil:
			return err
		default:
			if err := os.Chmod(o.fresh(i), info.Mode().Perm()); err != nil {
				return err
			}
			// A second name keeps the first one valid all the while. Not every file
			// system has that.
			if os.Link(target, old) != nil {
				if err := os.Rename(target, old); err != nil {
					return err
				}
			}
			undo = append(undo, func() error { return os.Rename(old, target) })
		}
		if err := os.Rename(o.fresh(i), target); err != nil {
			return err
		}
	}
	return synced(filepath.Dir(o.targets[0]))
}

func removed(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// synced brings a folder's names to disk.
func synced(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// close drops what is temporary.
func (o *outputs) close() error { return os.RemoveAll(o.folder) }

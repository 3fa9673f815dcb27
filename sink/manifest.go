package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/internal/fsys"
)

// manifest says which files a run with a checkpoint has published. It is on disk
// as JSON, and replaced as a whole.
type manifest struct {
	Version  int         `json:"version"`
	Run      string      `json:"run"`
	Complete bool        `json:"complete"`
	Parts    []partEntry `json:"parts"`
}

// partEntry is what is known of a file.
type partEntry struct {
	File       string        `json:"file"` // from the manifest's folder on, with slashes
	Bytes      int64         `json:"bytes"`
	CRC        fsys.Checksum `json:"crc32c"`
	Rows       int64         `json:"rows"`
	FirstEpoch uint64        `json:"first_epoch"` // the checkpoints whose records it holds
	LastEpoch  uint64        `json:"last_epoch"`
	Run        string        `json:"run,omitempty"` // the earlier run that wrote it
}

const manifestVersion = 1

// unfinished is how the names of files end that are being written.
const unfinished = ".unfinished"

// manifestOf is the name of the manifest of files with such names. Hive and Spark
// pass over names that begin so.
func manifestOf(names partNames) string { return "_" + names.stem + ".manifest.json" }

var errManifest = errors.New("it is not a manifest of this sink: move it away or remove it")

// readManifest reads the manifest at path. One that does not exist is empty.
func readManifest(files fsys.FS, path string) (m manifest, err error) {
	text, err := files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return manifest{}, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s: %w: %w", path, errManifest, err)
	}
	if m.Version != manifestVersion || m.Run == "" {
		return m, fmt.Errorf("%s: version %d: %w", path, m.Version, errManifest)
	}
	for _, e := range m.Parts {
		if !filepath.IsLocal(filepath.FromSlash(e.File)) || strings.Contains(e.File, `\`) {
			return m, fmt.Errorf("%s: file %q: %w", path, e.File, errManifest)
		}
	}
	return m, nil
}

// write replaces the manifest at path.
func (m manifest) write(files fsys.FS, path string) error {
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, "."+base+unfinished)
	f, err := files.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(append(text, '\n')); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = files.Rename(temp, path)
	}
	if err != nil {
		return err
	}
	return files.SyncDir(filepath.Clean(dir))
}

package killmatrix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/sink/parquet"
	reading "github.com/penstock-go/penstock/source/parquet"
	"github.com/penstock-go/penstock/stage"
)

var partKinds = []string{"parts", "parts-gzip", "partitioned", "partitioned-gzip", "parquet", "route", "multi"}

// copied is a file of the kind "multi" that has what the other one has.
const copied = "part-2.ndjson"

// forgetful is a kind that does not go on from the sink's state.
const forgetful = "parts-forgetful"

// parts is the sink of those kinds whose output are several files, below the
// folder out; nil for the others.
func (j job) parts() stage.Sink[transfer] {
	root := filepath.Join(j.Dir, "out")
	third := sink.By("third", func(t transfer) string { return fmt.Sprint(t.ID % 3) })
	switch j.Kind {
	case "parts":
		return sink.NDJSON[transfer](filepath.Join(root, "part.ndjson"), sink.MaxBytes(300))
	case "parts-gzip":
		return sink.NDJSON[transfer](filepath.Join(root, "part.ndjson.gz"), sink.MaxBytes(300))
	case "partitioned":
		return sink.Partitioned(root, "part.ndjson", sink.NDJSONEncoder[transfer](), third, sink.MaxBytes(200), sink.MaxOpen(2))
	case "partitioned-gzip":
		return sink.Partitioned(root, "part.ndjson.gz", sink.NDJSONEncoder[transfer](), third, sink.MaxOpen(2))
	case "parquet":
		return parquet.Sink[transfer](filepath.Join(root, "part.parquet"))
	case "route": // the odd ones are appended, so that leftovers would show
		return sink.Route(func(t transfer) string { return fmt.Sprint(t.ID % 2) }, func(route string) stage.Sink[transfer] {
			path := filepath.Join(root, "part-"+route+".ndjson")
			if route == "1" {
				return sink.NDJSON[transfer](path, sink.Append())
			}
			return sink.NDJSON[transfer](path)
		})
	case "multi":
		return sink.Multi(
			sink.NDJSON[transfer](filepath.Join(root, "part-1.ndjson")),
			sink.NDJSON[transfer](filepath.Join(root, copied), sink.Append()))
	case forgetful:
		return forgets{sink.NDJSON[transfer](filepath.Join(root, "part.ndjson"), sink.MaxBytes(300))}
	}
	return nil
}

// forgets is a sink that is opened without its state.
type forgets struct{ stage.Sink[transfer] }

func (f forgets) Open(ctx context.Context, _ json.RawMessage) (stage.Writer[transfer], error) {
	return f.Sink.Open(ctx, nil)
}

// beginParts makes a folder with the input of a job, and one for its output.
func beginParts(t *testing.T, kind string, n int) job {
	t.Helper()
	j := begin(t, kind, n)
	require.NoError(t, os.Mkdir(filepath.Join(j.Dir, "out"), 0o750))
	return j
}

// checkParts says what is wrong with the files of a job: each transfer must be there
// once, in order within its folder if it was to be, and nothing else.
func checkParts(t *testing.T, j job, n int) error {
	t.Helper()
	folders := map[string][]transfer{}
	err := filepath.WalkDir(filepath.Join(j.Dir, "out"), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Name() == "_part.manifest.json":
			text, err := os.ReadFile(path)
			if err == nil && !strings.Contains(string(text), `"complete": true`) {
				err = fmt.Errorf("%s is not complete", path)
			}
			return err
		case d.Name() == "part.parquet":
			rows, err := reading.Source[transfer](path).Collect(t.Context())
			folders["parquet"] = rows
			return err
		case !strings.HasPrefix(d.Name(), "part-"):
			return fmt.Errorf("%s is left behind", path)
		}
		if j.Kind == "route" || j.Kind == "multi" { // the files of one folder have an order each
			folders[path] = readLines(t, path)
			return nil
		}
		folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], readLines(t, path)...) // in the order of the names
		return nil
	})
	if err != nil {
		return err
	}
	if j.Kind == "multi" {
		one, two := filepath.Join(j.Dir, "out", "part-1.ndjson"), filepath.Join(j.Dir, "out", copied)
		if !slices.Equal(folders[one], folders[two]) {
			return fmt.Errorf("%d transfers went to one file, %d to the other, or not the same", len(folders[one]), len(folders[two]))
		}
		delete(folders, two)
	}
	var all []transfer
	for folder, got := range folders {
		byID := func(a, b transfer) int { return cmp.Compare(a.ID, b.ID) }
		if !j.Unordered && !slices.IsSortedFunc(got, byID) {
			err = errors.Join(err, fmt.Errorf("%s is not in order", folder))
		}
		all = append(all, got...)
	}
	slices.SortFunc(all, func(a, b transfer) int { return cmp.Compare(a.ID, b.ID) })
	if len(all) != n {
		return errors.Join(err, fmt.Errorf("there are %d transfers, want %d", len(all), n))
	}
	for i, tr := range all {
		if tr != newTransfer(int64(i)) {
			return errors.Join(err, fmt.Errorf("transfer %d is %+v", i, tr))
		}
	}
	return err
}

// killParts kills a job at each of its file operations, or some of them, and goes on
// with another chunk size and other workers. It says what was wrong first.
func killParts(t *testing.T, kind string, unordered bool, n int) error {
	t.Helper()
	chance := seeded(t)
	j := beginParts(t, kind, n)
	j.Unordered = unordered
	_, ops := do(t, j, 0)
	require.NoError(t, checkParts(t, j, n))
	require.Greater(t, ops, 20)
	step := 1
	if !long() {
		step = 1 + ops/10 // some of them, others each time
	}
	for at := 1 + chance.IntN(step); at <= ops; at += step {
		j := beginParts(t, kind, n)
		j.Unordered, j.KillAt, j.Torn = unordered, at, chance.IntN(2) == 0
		done, _, said := doAs(t, j, how{fails: true})
		for again := 0; !done; again++ {
			require.Less(t, again, 20, "killed at operation %d", at)
			j.Chunk, j.Workers, j.KillAt = 1+chance.IntN(9), 1+chance.IntN(4), 0
			if again == 0 && chance.IntN(3) == 0 { // killed once more on the way
				j.KillAt = 1 + chance.IntN(ops)
			}
			if said == "" {
				done, _, said = doAs(t, j, how{fails: true})
			}
			if said != "" { // a run that was killed says nothing
				return fmt.Errorf("killed at operation %d, then: %s", at, said)
			}
		}
		if err := checkParts(t, j, n); err != nil {
			return fmt.Errorf("killed at operation %d: %w", at, err)
		}
	}
	return nil
}

func TestPartsKilledAtEveryFileOperation(t *testing.T) {
	t.Parallel()
	for _, kind := range partKinds {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unordered=%t", kind, unordered), func(t *testing.T) {
				t.Parallel()
				require.NoError(t, killParts(t, kind, unordered, 40))
			})
		}
	}
}

// The check sees what is wrong where the state is not gone on from.
func TestPartsWithoutTheirState(t *testing.T) {
	require.Error(t, killParts(t, forgetful, false, 40))
}

package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/penstock-go/penstock/internal/identity"
	"github.com/penstock-go/penstock/stage"
)

// fingerprint is what must not change of a source.
type fingerprint struct {
	Files   map[string]fileFingerprint `json:"files"`
	Columns map[string]string          `json:"columns"` // those that T has, and their types
	Ranges  []string                   `json:"ranges,omitzero"`
}

type fileFingerprint struct {
	identity.File
	Footer string `json:"footer_sha256"`
}

// Fingerprint implements stage.Resumable: it looks at the ends of every file and
// reads its footer.
func (p *puller[T]) Fingerprint(ctx context.Context) (json.RawMessage, error) {
	is := fingerprint{Files: make(map[string]fileFingerprint, len(p.paths)), Columns: p.shape.columnTypes()}
	for _, r := range p.opts.ranges {
		is.Ranges = append(is.Ranges, r.String())
	}
	times := make(map[string]int)
	for part, path := range p.paths {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f, err := fingerprintOf(p.opts, path, int32(part))
		if err != nil {
			return nil, fileError(path, err)
		}
		times[path]++
		is.Files[identity.Key(path, times[path])] = f
	}
	return json.Marshal(is)
}

func fingerprintOf(opts *options, path string, part int32) (f fileFingerprint, err error) {
	o, err := openFile(opts, path)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, o.release()) }()
	var info os.FileInfo
	if info, err = o.f.Stat(); err != nil {
		return f, err
	}
	if f.File, err = identity.Of(o.f, info.Size(), part); err == nil {
		f.Footer, err = identity.Hash(o.f, o.end, info.Size()-o.end)
	}
	return f, err
}

// Seek implements stage.Resumable: it goes to the row, in the row group that holds
// it.
func (p *puller[T]) Seek(_ context.Context, at stage.Position, first int64) error {
	refused := func(why string) error {
		return fmt.Errorf("record %d at %+v is no place to go on from: %s", first, at, why)
	}
	switch {
	case at == (stage.Position{}) && first == 0:
		return nil
	case first < 0 || at.Record < 0 || at.Offset != 0:
		return refused("its numbers do not fit together")
	case at.Part < 0 || int(at.Part) >= len(p.paths):
		return refused("there is no such input")
	case at.Key != "" && at.Key != p.paths[at.Part]:
		return refused(fmt.Sprintf("input %d is %s", at.Part, p.paths[at.Part]))
	}
	p.part, p.first = int(at.Part), first
	o, err := p.open()
	if err != nil {
		return err
	}
	if at.Record >= o.meta.NumRows {
		return refused(fmt.Sprintf("the file has %d rows", o.meta.NumRows))
	}
	p.group = sort.Search(len(o.starts), func(i int) bool { return o.starts[i] > at.Record }) - 1
	p.start, p.row, p.from = o.starts[p.group], at.Record, at.Record
	return nil
}

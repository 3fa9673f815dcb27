package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// ErrNoResume says that a source cannot be read by a run with a checkpoint
// (stage.Checkpoint): it could not go on where an earlier run left off. Such a
// run fails when it starts, with an error that names the source and says why.
var ErrNoResume = errors.New("a run with a checkpoint could not go on where an earlier one left off")

// noResume is the error of such a source.
func noResume(why string) error { return fmt.Errorf("%w: %s", ErrNoResume, why) }

// oneWay makes a puller say why it cannot go on.
type oneWay struct{ why string }

// Fingerprint implements stage.Resumable: it refuses the run.
func (o oneWay) Fingerprint(context.Context) (json.RawMessage, error) { return nil, noResume(o.why) }

// Seek implements stage.Resumable.
func (o oneWay) Seek(context.Context, stage.Position, int64) error { return noResume(o.why) }

const sequenceEnds = "a sequence yields its items once, from the first; where they are at hand, source.Slice and source.Range go on"

// placeError says that a position is none of the source's.
func placeError(at stage.Position, first int64, why string) error {
	return fmt.Errorf("record %d at %+v is no place to go on from: %s", first, at, why)
}

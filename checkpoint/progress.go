package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	jsonv2 "github.com/go-json-experiment/json"
)

// Progress is what is done of one source: a snapshot of a Tracker, which is not
// changed any more. The zero value says that nothing is done.
//
// A run that goes on reopens the source at At, whose record has the ordinal
// First, and passes over the records that are done; Skip says which those are.
type Progress[P any] struct {
	// Watermark is the ordinal below which every record is done.
	Watermark int64
	// First is the ordinal of the record at At. It is not above Watermark: what
	// lies between is read again and passed over.
	First int64
	// At is where the source is reopened: the beginning of the last range at or
	// below the watermark.
	At P
	// Done are the ranges above the watermark that are done: sorted, none empty,
	// none touching another or the watermark.
	Done []Range
}

// progressJSON is the form of a Progress in a file.
type progressJSON[P any] struct {
	Watermark int64   `json:"watermark"`
	First     int64   `json:"first"`
	At        P       `json:"at"`
	Done      []Range `json:"done,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (p Progress[P]) MarshalJSON() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return jsonv2.Marshal(progressJSON[P](p))
}

// UnmarshalJSON implements json.Unmarshaler. Members that are not known and
// ranges that cannot be (negative, out of order, overlapping, at or below the
// watermark) are errors.
func (p *Progress[P]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return errNoProgress
	}
	var read progressJSON[P]
	if err := jsonv2.Unmarshal(data, &read, jsonv2.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if err := Progress[P](read).check(); err != nil {
		return err
	}
	*p = Progress[P](read)
	return nil
}

// errNoProgress is what a null where progress should be decodes to.
var errNoProgress = errors.New("null is no progress")

// check refuses what no Tracker gives.
func (p Progress[P]) check() error {
	switch {
	case p.First < 0:
		return fmt.Errorf("first is %d, which is negative", p.First)
	case p.First > p.Watermark:
		return fmt.Errorf("first is %d, above the watermark %d", p.First, p.Watermark)
	}
	end := p.Watermark
	for i, r := range p.Done {
		if err := r.check(); err != nil {
			return fmt.Errorf("done range %d: %w", i+1, err)
		}
		if r.N == 0 || r.First <= end {
			return fmt.Errorf("done range %d, %v: it must hold records and lie apart from and above %d", i+1, r, end)
		}
		end = r.End()
	}
	return nil
}

// Skip yields which of the n records from ordinal first on are not done yet, in
// order, as runs that do not touch. Nothing is yielded when all are done, the
// whole range when none is. It allocates nothing. A range that is negative or ends
// beyond an int64 panics.
func (p *Progress[P]) Skip(first, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) { skip(p.Watermark, p.Done, Range{first, n}, yield) }
}

// skip yields the parts of r that are neither below the watermark nor in done.
func skip(watermark int64, done []Range, r Range, yield func(Range) bool) {
	if err := r.check(); err != nil {
		panic("penstock: checkpoint.Progress.Skip: " + err.Error())
	}
	at, end := max(r.First, watermark), r.End()
	i := sort.Search(len(done), func(i int) bool { return done[i].End() > at })
	for ; at < end; i++ {
		if i == len(done) || done[i].First >= end {
			yield(Range{at, end - at})
			return
		}
		if d := done[i]; d.First > at && !yield(Range{at, d.First - at}) {
			return
		}
		at = done[i].End()
	}
}

// Pack is the progress with its position as JSON, as a State holds it.
func Pack[P any](p Progress[P]) (Progress[json.RawMessage], error) {
	at, err := jsonv2.Marshal(p.At)
	if err != nil {
		return Progress[json.RawMessage]{}, fmt.Errorf("checkpoint: position of record %d: %w", p.First, err)
	}
	return Progress[json.RawMessage]{Watermark: p.Watermark, First: p.First, At: at, Done: slices.Clone(p.Done)}, nil
}

// Unpack is the opposite of Pack. No position at all is the zero P.
func Unpack[P any](p Progress[json.RawMessage]) (Progress[P], error) {
	out := Progress[P]{Watermark: p.Watermark, First: p.First, Done: slices.Clone(p.Done)}
	if err := p.check(); err != nil {
		return Progress[P]{}, fmt.Errorf("checkpoint: progress: %w", err)
	}
	if len(p.At) == 0 {
		return out, nil
	}
	if err := jsonv2.Unmarshal(p.At, &out.At, jsonv2.RejectUnknownMembers(true)); err != nil {
		return Progress[P]{}, fmt.Errorf("checkpoint: position of record %d: %w", p.First, err)
	}
	return out, nil
}

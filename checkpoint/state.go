package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Version is the version of the form in which a State is written, and the newest
// that can be read.
const Version = 1

// ErrVersion says that a state was written by a newer Penstock. An older one
// must not go on from it: what it does not know it would drop.
var ErrVersion = errors.New("written by a newer version of penstock")

// State is all that a pipeline goes on from. It is written as JSON that a person
// can read. What it says of sources, sinks and operators is theirs, and opaque
// here; what is empty is left out.
type State struct {
	// Version is the version of the form; Encode sets it.
	Version int `json:"version"`
	// Pipeline is the pipeline's name, which tells states in one database apart.
	Pipeline string `json:"pipeline,omitzero"`
	// Run identifies the run that saved the state.
	Run string `json:"run,omitzero"`
	// Epoch counts the checkpoints of a pipeline, across its runs.
	Epoch uint64 `json:"epoch"`
	// Finished says that the pipeline has come to its end: the next run begins anew.
	Finished bool `json:"finished,omitzero"`
	// Saved is when.
	Saved time.Time `json:"saved,omitzero"`
	// Topology is what the pipeline is made of.
	Topology Topology `json:"topology,omitzero"`
	// Sources are the pipeline's sources in their order.
	Sources []Source `json:"sources,omitempty"`
	// Sink is what the sink's Prepare gave.
	Sink json.RawMessage `json:"sink,omitempty"`
	// Operators is the state of operators by name.
	Operators map[string]json.RawMessage `json:"operators,omitempty"`
	// Counters are numbers of records: read, written, failed and so on. They go on
	// from run to run.
	Counters map[string]int64 `json:"counters,omitempty"`

	// Notice says what Load had to work around, in words for the user, such as a
	// damaged file in place of which the one before was read. It is not saved.
	Notice string `json:"-"`
}

// Topology is what a pipeline is made of.
type Topology struct {
	// Hash stands for the chain of stages and whatever else of it must not change.
	Hash string `json:"hash,omitzero"`
	// Stages is the chain in words, so that a difference can be named.
	Stages []string `json:"stages,omitempty"`
}

// Source is what is done of a source.
type Source struct {
	// Name is the source's name, such as a path.
	Name string `json:"name"`
	// Fingerprint is what must not change between runs, best as an object with a
	// member for each thing: {"size": 484000000, "delimiter": ","}.
	Fingerprint json.RawMessage `json:"fingerprint,omitempty"`
	// Progress is what is done. Pack and Unpack make it of one with typed positions.
	Progress Progress[json.RawMessage] `json:"progress"`
}

// Encode writes the state as indented JSON, with the same bytes for the same
// state. What Decode would refuse is an error.
func (s State) Encode() ([]byte, error) {
	s.Version = Version
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("checkpoint: state: %w", err)
	}
	b, err := jsonv2.Marshal(s, jsonv2.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: state: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode reads what Encode wrote. Members that it does not know, ranges that
// cannot be and trailing bytes are errors; a newer version is ErrVersion.
func Decode(b []byte) (State, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := jsonv2.Unmarshal(b, &head); err != nil {
		return State{}, fmt.Errorf("checkpoint: state: %w", err)
	}
	switch {
	case head.Version > Version:
		return State{}, fmt.Errorf("checkpoint: state: version %d, the newest known here is %d: %w", head.Version, Version, ErrVersion)
	case head.Version < 1:
		return State{}, fmt.Errorf("checkpoint: state: version %d, which there is not", head.Version)
	}
	var s State
	if err := jsonv2.Unmarshal(b, &s, jsonv2.RejectUnknownMembers(true)); err != nil {
		return State{}, fmt.Errorf("checkpoint: state: %w", err)
	}
	s, err := s.compact()
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return State{}, fmt.Errorf("checkpoint: state: %w", err)
	}
	return s, nil
}

// compact takes the indentation out of what is opaque, so that it comes back as
// it was given.
func (s State) compact() (State, error) {
	errs := make([]error, 0, 1+2*len(s.Sources)+len(s.Operators))
	errs = append(errs, compact(&s.Sink))
	for i := range s.Sources {
		errs = append(errs, compact(&s.Sources[i].Fingerprint), compact(&s.Sources[i].Progress.At))
	}
	for name, m := range s.Operators {
		errs = append(errs, compact(&m))
		s.Operators[name] = m
	}
	return s, errors.Join(errs...)
}

func compact(m *json.RawMessage) error {
	if len(*m) == 0 {
		return nil
	}
	v := jsontext.Value(*m)
	err := v.Compact()
	if *m = json.RawMessage(v); v.Kind() == 'n' {
		*m = nil // null is how nothing is written
	}
	return err
}

// check refuses what no pipeline saves.
func (s State) check() error {
	for i, src := range s.Sources {
		if err := src.Progress.check(); err != nil {
			return fmt.Errorf("source %d: %s: %w", i+1, src.Name, err)
		}
	}
	for name, n := range s.Counters {
		if n < 0 {
			return fmt.Errorf("counter %s is %d, which is negative", name, n)
		}
	}
	return nil
}

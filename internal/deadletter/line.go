// Package deadletter is the format of dead-letter files: a line of JSON for each
// item that failed. sink.DeadLetters writes it and source.DeadLetters reads it.
//
// It holds no time, so that the same run on the same input writes the same bytes.
package deadletter

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/stage"
)

// Line is a letter as it stands in a file.
type Line struct {
	Stage    string         `json:"stage"`
	Index    int64          `json:"index"` // from 0
	File     string         `json:"file,omitzero"`
	Part     int32          `json:"part,omitzero"`
	Record   int64          `json:"record"` // from 1, as errors name it
	Byte     int64          `json:"byte"`
	Reason   string         `json:"reason"`
	Attempts int            `json:"attempts,omitzero"`
	Input    jsontext.Value `json:"input"`
	Encoding string         `json:"encoding,omitzero"` // what Input is, if not the input's own JSON
	Note     string         `json:"note,omitzero"`     // why it is not
	Stack    string         `json:"stack,omitzero"`
}

// What Line.Input may be.
const (
	asJSON   = ""       // the JSON of the input
	asUTF8   = "utf8"   // a string: the input is its bytes
	asBase64 = "base64" // a string: the input is the bytes, or the string, that it stands for
	asText   = "text"   // a string that shows the input, which cannot be had back
	asNone   = "none"   // null: the stage did not keep the input
)

// New is the line of a letter.
func New(l *stage.Letter) Line {
	line := Line{
		Stage: l.Stage, Index: l.Index, File: l.At.Key, Part: l.At.Part, Record: l.At.Record + 1, Byte: l.At.Offset,
		Reason: l.Reason, Attempts: l.Attempts, Stack: l.Stack,
	}
	line.Input, line.Encoding, line.Note = encode(l.Input)
	return line
}

// Letter is the letter of a line, without its input.
func (l *Line) Letter() stage.Letter {
	return stage.Letter{
		Stage: l.Stage, Index: l.Index, Reason: l.Reason, Attempts: l.Attempts, Stack: l.Stack, Err: errors.New(l.Reason),
		At: stage.Position{Part: l.Part, Offset: l.Byte, Record: l.Record - 1, Key: l.File},
	}
}

package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// JSONLines makes a stream of the lines of an NDJSON file, of all files that a
// pattern matches, or of standard input ("-"), without decoding them; see the
// package's documentation for what a path may be. Lines come in file order, without
// the newline or carriage return and newline that ends them. Blank lines are passed
// over. A byte order mark at the beginning of a file is dropped. What picks a few
// values from a line (github.com/tidwall/gjson) is much faster than [NDJSON].
//
// Lines are not looked at: one may hold anything. With [Validate] a line that is
// not valid JSON is an item error that names file, record (blank lines not
// counted) and byte; its input is the line. So is a line longer than [MaxRecord].
// The stream goes on with the next line. Files that cannot be read are errors as
// with [Lines].
//
// An item is a view of the block that it was read into, with no capacity beyond
// its end, and valid as long as one of [LineBytes]. Behind a pool, finding,
// counting and checking the lines runs in the workers. Blocks are taken as with
// Lines.
//
// The options are [Paths], [MaxRecord], [BlockSize] and [Validate].
func JSONLines(path string, opts ...Option) stage.Stream[json.RawMessage] {
	o := settings("JSONLines", path, opts)
	s := stage.New("JSONLines", func(context.Context) (stage.Puller[json.RawMessage], error) {
		f, err := openFiles(o, &blocks.Lines{Blank: blocks.BlankJSON})
		if err != nil {
			return nil, err
		}
		return &filesPuller[json.RawMessage]{files: f, fill: func(c *stage.Chunk[json.RawMessage]) error {
			fillJSONLines(c, o)
			return nil
		}}, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// Validate makes a [JSONLines] source check that its lines are valid JSON, as
// encoding/json/v2 understands it: names that come twice in an object and invalid
// UTF-8 are not.
func Validate() Option {
	return option{name: "Validate", only: []string{"JSONLines"}, fn: func(s *options) { s.validate = true }}
}

// fillJSONLines makes items of the block's lines that are not blank.
func fillJSONLines(c *stage.Chunk[json.RawMessage], o *options) {
	t, block := c.Tokens[0], c.Block
	c.Items, c.Offsets = slices.Grow(c.Items[:0], int(t.N)), slices.Grow(c.Offsets[:0], int(t.N))
	for next := 0; next < len(block); {
		pos, end := next, len(block)
		next = end
		if i := bytes.IndexByte(block[pos:], '\n'); i >= 0 {
			end, next = pos+i, pos+i+1
		}
		if blocks.BlankJSON(block[pos:end]) {
			continue
		}
		var input any
		var err error
		if end-pos > o.maxRecord {
			err = tooLong(int64(end-pos), o.maxRecord, false)
		} else {
			if block[end-1] == '\r' {
				end--
			}
			if o.validate {
				if err = valid(block[pos:end]); err != nil {
					input = string(block[pos:end])
				}
			}
		}
		if err != nil {
			c.Fail(itemError(t, int64(len(c.Items)+len(c.Errors)), int64(pos), input, err))
			continue
		}
		c.Items = append(c.Items, block[pos:end:end])
		c.Offsets = append(c.Offsets, int32(pos))
	}
}

// valid is what is wrong with a text that should be one JSON value.
func valid(text []byte) error {
	if jsontext.Value(text).IsValid() {
		return nil
	}
	var value jsontext.Value
	if err := jsonv2.Unmarshal(text, &value); err != nil {
		return err
	}
	return errors.New("not valid JSON")
}

package source

import (
	"fmt"
	"slices"

	"github.com/penstock-go/penstock/internal/deadletter"
	"github.com/penstock-go/penstock/stage"
)

// DeadLetters makes a stream of the inputs in a file that sink.DeadLetters wrote, so
// that what failed can be run again once the reason is gone:
//
//	pool.Imap(p, source.DeadLetters[Order]("failed.ndjson"), handle)
//
// Inputs come in file order and are decoded as [NDJSON] does. T is what entered the
// stage that failed. For a source that could not decode a record that is not the
// source's item but its text: read such letters as string. Text, with T a []byte, is
// its bytes. A json.RawMessage has the JSON without white space. [Letters] tells
// where they came from and why they failed.
//
// A line that is no letter, whose input does not fit T or cannot be had back (see
// sink.DeadLetters), is an item error that names file, record and byte of the
// letter; its input is the line. The stream goes on with the next one.
//
// Files, blocks and options are those of NDJSON, except that there is no [Decoder].
// DeadLetters panics if an option does not fit.
func DeadLetters[T any](path string, opts ...Option) stage.Stream[T] {
	return letters(path, opts, "DeadLetters", func(line []byte, into *T) error {
		_, err := deadletter.Decode(line, into)
		return err
	})
}

// Letters is [DeadLetters] with the letter beside each input: its stage, index and
// position, its reason, which is also the text of its Err, the stack and the attempts.
func Letters[T any](path string, opts ...Option) stage.Stream[stage.Pair[T, stage.Letter]] {
	return letters(path, opts, "Letters", func(text []byte, into *stage.Pair[T, stage.Letter]) error {
		line, err := deadletter.Decode(text, &into.First)
		if err != nil {
			return err
		}
		into.Second = line.Letter()
		into.Second.Input = into.First
		return nil
	})
}

// letters is an NDJSON source with its own way to decode a line.
func letters[T any](path string, opts []Option, verb string, decode func(line []byte, into *T) error) stage.Stream[T] {
	settings(verb, path, opts) // panics in this verb's name
	opts = append(slices.Clip(opts), Decoder(func(line []byte, into any) error {
		to, ok := into.(*T)
		if !ok {
			return fmt.Errorf("source: %s: decoding into %T", verb, into)
		}
		return decode(line, to)
	}))
	return NDJSON[T](path, opts...).Named(verb)
}

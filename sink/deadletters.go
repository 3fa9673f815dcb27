package sink

import (
	"github.com/penstock-go/penstock/internal/deadletter"
	"github.com/penstock-go/penstock/stage"
)

// DeadLetters is a sink for stage.DeadLetter that writes each letter as JSON on a
// line of its own to the file at path, in stream order; see the package's
// documentation for what path may be, and [FileOption] for the options. If nothing
// fails the file is empty. source.DeadLetters reads it, so that what failed can be
// run again:
//
//	{"stage":"parse","index":41,"file":"in.csv","record":42,"byte":900,"reason":"bad","input":"1,x"}
//
// stage and index are those of the stage that failed, the index counted from 0. file,
// record (counted from 1, as errors do) and byte say where the item came from, as
// exactly as is known; part says which input of several it was, counted from 0 and
// left out for the first. attempts is how often stage.Retry called the function, and
// stack the stack of a panic; what does not apply is left out. There is no time in
// it: the same items failing in the same way make the same file.
//
// input is the item as it entered the stage: its JSON as of encoding/json/v2, with
// durations that have no format in nanoseconds. What JSON does not see, as unexported
// fields, is not there. If input is something else, encoding says what:
//
//   - "utf8": bytes ([]byte) that are text, as a string;
//   - "base64": other bytes, or a string that is not valid UTF-8, in base64;
//   - "text": a value that has no JSON (a channel, NaN, a cycle, invalid UTF-8 within
//     it), as fmt prints it. note says why. It cannot be replayed.
//   - "none": there is no input, as of a record that was too long to be read.
//
// DeadLetters panics if path is empty or an option does not fit.
func DeadLetters(path string, opts ...FileOption) stage.Sink[stage.Letter] {
	return encoded("DeadLetters", path, DeadLettersEncoder(), opts)
}

// DeadLettersEncoder formats letters as [DeadLetters] writes them.
func DeadLettersEncoder() stage.Encoder[stage.Letter] {
	return deadLettersEncoder{lines: NDJSONEncoder[deadletter.Line]()}
}

type deadLettersEncoder struct {
	lineFormat
	lines stage.Encoder[deadletter.Line]
}

// Encode implements stage.Encoder.
func (e deadLettersEncoder) Encode(dst []byte, c *stage.Chunk[stage.Letter]) ([]byte, error) {
	lines := stage.Chunk[deadletter.Line]{Items: make([]deadletter.Line, len(c.Items))}
	for i := range c.Items {
		lines.Items[i] = deadletter.New(&c.Items[i])
	}
	return e.lines.Encode(dst, &lines)
}

package stage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-go/penstock/internal/subprocess"
)

// Exec is the stream of what a program answers to each item: a line is written to its
// stdin, and a line is read from its stdout. One process runs beside the stream, so that
// a function of another language is a stage of a pipeline. The program must answer
// each line with one line, and flush it: Python's print wants flush=True, or python3 -u.
// pool.Exec has a process for each worker.
//
//	for line in sys.stdin: print(score(line), flush=True)
//
// A line is sent when the one before it was answered, or up to Pipeline of them at a
// time; while lines are written, answers are read and stderr is drained, so that neither
// side waits for the other with a full pipe. Answers come without their newline, or
// carriage return and newline.
//
// The process starts with the first item. At the end of the stream its input is closed,
// and it must then end by itself, with exit status 0 and without another word: else the
// stream ends with a *ProcessError, behind all answers. A program that cannot be started
// ends the stream. However the stream is left, the process and what it started are
// killed and waited for before control returns: a group of processes on Unix, elsewhere
// the process alone. On Linux it is killed, too, when this process dies (what it started
// itself is not, but finds its pipes closed).
//
// These fail their item, and the next one finds a new process: an end of the process
// (the error is a *ProcessError with exit status and stderr), an answer that takes longer
// than Timeout or is longer than MaxLine, and a line too many (ErrOutOfStep), which is
// noticed at the latest when the next item is sent if it is there by then; one that comes
// later may be taken for the answer to that item. After too many failures in a row the
// stream ends (ErrRestarts). An item with a newline fails and is not sent.
//
// With a Pipeline of more than 1 that stays so: when the process ends or gets out of
// step with several lines on the way, those without a sure answer are sent again to a new
// process, one at a time, so that the right one fails. They have been sent twice then. A
// process that ended so is not reported if the next one answers them all. Lines too many
// that always come late shift the answers until the end, where the stream fails for it.
//
// Order is kept, and at most a chunk's answers are held. A run with a checkpoint has it as
// it has Map: an item is sent again unless what came of it is done. What a program
// remembers of earlier items is not saved. The idea is that of Unix pipes and of coprocesses.
//
// Exec panics if the command has no Args, malformed variables or negative numbers.
func Exec(in Stream[string], command Command) Stream[string] {
	return executed("Exec", in, command, subprocess.Lines())
}

// ExecJSON is Exec for records: each item is written as a line of JSON, as
// sink.NDJSON does, and each answer read as source.NDJSON does. An item that cannot be
// encoded is not sent; an answer that cannot be decoded fails its item, and the process
// goes on.
func ExecJSON[A, B any](in Stream[A], command Command) Stream[B] {
	return executed("ExecJSON", in, command, subprocess.JSON[A, B]())
}

func executed[A, B any](verb string, in Stream[A], command Command, codec subprocess.Codec[A, B]) Stream[B] {
	spec := command.Spec("stage." + verb)
	return serial(verb, command.detail(), in, func(_ context.Context, up upstream[A]) (Puller[B], error) {
		s := subprocess.NewSession(spec, codec)
		return &executing[A, B]{loop: newLoop(up, execution[A, B]{s}, exact), s: s}, nil
	})
}

// execution is the kernel of Exec.
type execution[A, B any] struct{ s *subprocess.Session[A, B] }

func (k execution[A, B]) run(ctx context.Context, items []A, out []B, c *cursor) error {
	for c.in < len(items) && c.out < len(out) {
		b, err := k.s.Do(ctx, items[c.in:])
		if err != nil {
			if f, ends := errors.AsType[*subprocess.FatalError](err); ends {
				return fatal{f.Err}
			}
			return err
		}
		out[c.out] = b
		c.in++
		c.out++
	}
	return nil
}

// executing is the loop of Exec, with what becomes of the process.
type executing[A, B any] struct {
	*loop[A, B]
	s        *subprocess.Session[A, B]
	finished bool
	failed   error // what the process ended with
}

// Pull implements Puller. The process ends before the stream does.
func (x *executing[A, B]) Pull(ctx context.Context, into *Chunk[B], max Limit) error {
	if x.failed != nil {
		into.Reset()
		return x.failed
	}
	err := x.loop.Pull(ctx, into, max)
	if err == nil || x.finished || x.end == nil || !x.drained() {
		return err
	}
	ended := x.s.Finish(ctx)
	if x.s.Running() { // the pull is given up: the next one has the end
		if into.Empty() {
			return ended
		}
		return nil
	}
	x.finished = true
	if ended != nil {
		ended = fmt.Errorf("%s: %w", x.m.Node.Label(), ended)
		if err == io.EOF {
			err = nil
		}
		x.failed = withClose(err, ended)
		return x.failed
	}
	return err
}

// Close implements Puller. It is idempotent.
func (x *executing[A, B]) Close() error {
	defer x.s.Close() // whatever closing the input does
	return x.loop.Close()
}

package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/internal/subprocess"
	"github.com/penstock-go/penstock/stage"
)

// Exec is stage.Exec with a process for each worker, and else Imap: the answers come in
// the order of the items, or as they are ready with Unordered. What stage.Exec says of a
// process holds for each. A worker starts its own when it meets its first item;
// RecycleAfter ends it in good order after so many items and starts another. The workers'
// processes run at the same time, so p's size is how many there are.
//
// Command.Pipeline bounds what is on the way to a process, within a chunk; ChunkSize
// bounds the chunk. A worker that has nothing more to do ends its process in good order,
// and the stream ends when all have; what fails then is its last error, behind all
// answers. Failures in a row (Command.Restarts) are counted for each worker.
//
// Exec panics if the command has no Args, malformed variables or negative numbers, or
// an option does not fit.
func Exec(p *Pool, in stage.Stream[string], command stage.Command, opts ...Option) stage.Stream[string] {
	return execute(p, "Exec", in, command, subprocess.Lines(), opts)
}

// ExecJSON is Exec for records: items and answers are lines of JSON, as for
// stage.ExecJSON.
func ExecJSON[A, B any](p *Pool, in stage.Stream[A], command stage.Command, opts ...Option) stage.Stream[B] {
	return execute(p, "ExecJSON", in, command, subprocess.JSON[A, B](), opts)
}

func execute[A, B any](p *Pool, verb string, in stage.Stream[A], command stage.Command, codec subprocess.Codec[A, B], opts []Option) stage.Stream[B] {
	of := command.Spec("pool." + verb)
	cfg := p.or().defaults.with(opts, verb)
	return stream(p, in, opts, spec[A, B]{verb: verb, awaits: true, kernel: func() kernel[A, B] {
		k := &executing[A, B]{s: subprocess.NewSession(of, codec), recycle: cfg.recycle}
		return kernel[A, B]{exact: true, run: k.run, close: k.close}
	}})
}

// executing is the state of a worker of Exec: its process.
type executing[A, B any] struct {
	s       *subprocess.Session[A, B]
	recycle int
	used    int             // items since it was made anew
	ctx     context.Context // of the worker
	name    string          // of the stage
}

func (k *executing[A, B]) run(w *worker[A, B]) error {
	k.ctx, k.name = w.ctx, w.c.name
	to := w.from
	for i := w.pos; i < w.stop; i++ {
		w.pos = i
		items := w.items[i:w.stop]
		if k.recycle > 0 {
			if k.used == k.recycle {
				if err := k.finish(); err != nil {
					return fatalError{err}
				}
				k.used = 0
			}
			items = items[:min(len(items), k.recycle-k.used)]
		}
		k.used++
		b, err := k.s.Do(w.ctx, items)
		if err != nil {
			if f, ends := errors.AsType[*subprocess.FatalError](err); ends {
				return fatalError{fmt.Errorf("%s: %w", k.name, f.Err)}
			}
			return err
		}
		w.job.out.Items[to] = b
		to++
		// What was sent ahead is this worker's.
		if w.c.attention.Load() != 0 && !k.s.Pending() && w.attend(i+1) {
			w.pos = i + 1
			return errYield
		}
	}
	w.pos = w.stop
	return nil
}

// finish ends the process in good order.
func (k *executing[A, B]) finish() error {
	err := k.s.Finish(k.ctx)
	if err != nil && !k.s.Running() {
		err = fmt.Errorf("%s: %w", k.name, err)
	}
	return err
}

// close ends the process: in good order if the call has come to its end, else at once.
func (k *executing[A, B]) close() error {
	defer k.s.Close()
	if k.ctx == nil {
		return nil // it met no item
	}
	if err := k.finish(); k.ctx.Err() == nil {
		return err
	}
	return nil
}

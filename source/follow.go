package source

import (
	"context"
	"time"
	"unsafe"

	"github.com/penstock-go/penstock/internal/plan"
	"github.com/penstock-go/penstock/stage"
)

// Follow makes a stream of the lines of a file that grows, as "tail -F" does: those
// that are there, from the first, and then each one that is added. A line is handed on
// when its newline is there, in file order, as [Lines] gives it: without the newline or
// carriage return and newline that ends it, empty ones too, a byte order mark dropped.
// Whoever pulls gets what is there at once; a pull that finds nothing waits. The stream
// ends with its context, when its run is shut down, or after a silence ([IdleFor]). A
// file that is not there yet is waited for, as is its folder.
//
// When another file stands at the path, the one before is read to its end, and until
// nothing was added to it for a second ([LingerFor]); its last line is handed on
// without a newline if it has none; then the new one is read from its start. A file
// that lost what was in it (its size, its first KiB or the KiB before the place that
// was read to tell) is read on in the copy that was made of it, if one stands beside
// it, and then from its start. What is added to a file that is removed is read until
// there is another.
//
// Files that came and were rotated away between two looks are found beside the file, by
// their names, and read in order. Names with a number of at most three digits
// ("app.log.1") grow with a file's age, or the other way round where that was seen;
// other digits grow with time. [Rotated] tells names that do not begin with the file's.
// Where it cannot be told for sure that nothing was left out, because a number is
// missing, a file was compressed or removed meanwhile, or the names contradict what was
// seen, there is an item error with cause [ErrGap] before the next line, which counts
// as a record. It is one as well if something is added, within a minute, to a file that
// was left. Not to be seen are lines that were cut off by a truncation without a copy
// before anybody looked, and files that come without rotation's names.
//
// A line longer than [MaxRecord] is an item error with cause [ErrTooLong] that names
// file, record and byte. A folder or another thing that is no regular file, a file that
// must not be read, and "-" are an [Error], which ends the stream after what came
// before. Permissions that a file loses after it was opened do not matter. Compressed
// files are not decompressed.
//
// There is no goroutine and no notification: the file is looked at where the stream is
// pulled, every 250 ms while nothing is added ([PollEvery]), and sooner after something
// was. So a rotation is only noticed if the stream is pulled before its files are gone.
// Held are a block of lines, or one of up to MaxRecord bytes, and a descriptor for each
// file that is to be read yet, at most 65, and for a minute that which was left.
//
// A run with a checkpoint goes on behind the line that it left off at, in the file that
// it was in (by device and inode, and the first bytes, at most a KiB), whatever that is
// called then, and after it in those that came later. It is refused with [ErrGap] if
// that file, or one of those, is not there or compressed, and if the path or MaxRecord
// is another. The stream itself keeps nothing that must be saved. In a position, the
// part is how many files came before, the key the path and what tells the file.
//
// The options are [FromEnd], [PollEvery], [IdleFor], [LingerFor], [Rotated], [OnClock],
// [MaxRecord] and [BlockSize]. Follow panics if an option does not fit.
func Follow(path string, opts ...Option) stage.Stream[string] {
	return follow("Follow", path, opts, false, func(line []byte) string { return unsafe.String(unsafe.SliceData(line), len(line)) })
}

// FollowBytes is [Follow] without making strings, as [LineBytes] is [Lines]: each
// item is a view of the block that it was read into.
func FollowBytes(path string, opts ...Option) stage.Stream[[]byte] {
	return follow("FollowBytes", path, opts, true, func(line []byte) []byte { return line })
}

func follow[T any](verb, path string, opts []Option, views bool, item func(line []byte) T) stage.Stream[T] {
	o := settings(verb, path, opts)
	s := stage.New(verb, func(context.Context) (stage.Puller[T], error) {
		p := &followPuller[T]{follower: newFollower(o), views: views, item: item}
		if err := p.open(); err != nil {
			return nil, err
		}
		return p, nil
	})
	s.Plan().Detail = o.detail()
	return s
}

// followPuller makes a Filler of a followed file: pulling takes a block, filling counts
// its lines and makes items of them.
type followPuller[T any] struct {
	*follower
	views bool // whoever is done with the items may recycle their block
	item  func(line []byte) T
}

func (p *followPuller[T]) Pull(ctx context.Context, into *stage.Chunk[T], max stage.Limit) error {
	into.Reset()
	got, err := p.next(ctx, max)
	if err != nil {
		return err
	}
	into.Tokens = append(into.Tokens, got.token)
	into.Block = got.block
	if got.gap != nil {
		into.Fail(&stage.ItemError{Stage: "source", Err: got.gap})
	}
	return nil
}

// Fill implements stage.Filler.
func (p *followPuller[T]) Fill(_ context.Context, c *stage.Chunk[T]) error {
	if len(c.Tokens) == 0 {
		return nil // the stream's end
	}
	t := &c.Tokens[0]
	counted := settled(p.tally, t, c.Block)
	switch {
	case len(c.Errors) > 0: // a gap
		c.Errors[0].Index, c.Errors[0].At = t.First, t.At
		return nil
	case counted.Long > 0:
		c.Fail(itemError(*t, 0, 0, nil, tooLong(counted.Long, p.opts.maxRecord, false)))
		return nil
	case t.N == 0: // only the place
		return nil
	}
	fillLines(c, p.opts.maxRecord, p.item)
	if !p.views {
		c.Block = nil // the items may be kept: it must not be recycled
	}
	return nil
}

// Recycle takes back the block of a chunk whose items nobody uses any more.
func (p *followPuller[T]) Recycle(block []byte) { p.memory.Free(block) }

// waitFor waits until d has passed, and lends the worker that the task has meanwhile.
func waitFor(ctx context.Context, clock stage.Clock, d time.Duration) error {
	due := make(chan struct{})
	stop := clock.AfterFunc(d, func() { close(due) })
	defer stop()
	defer plan.Lend(ctx)()
	select {
	case <-due:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

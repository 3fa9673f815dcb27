package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-go/penstock/internal/blocks"
	"github.com/penstock-go/penstock/stage"
)

// leftFor is how long a file that was left is watched.
const leftFor = time.Minute

// follower takes blocks of whole lines from the files that are at a path, one after
// the other.
type follower struct {
	chain
	opts   *options
	clock  stage.Clock
	reader *blocks.Reader
	tally  *blocks.Tally
	memory blocks.Memory
	size   blockSize

	cur    *followed // the file that is read, or nil
	part   int32     // its place among all
	finish bool      // it is read to its end
	torn   time.Time // since when reads find that it lost what was in it; zero: it did not
	placed bool      // its place was told
	gaps   []error   // to be told before the next line
	failed error     // what looking ended with: told when all is read

	looked time.Time     // when the path was looked at last
	pause  time.Duration // until it is looked at again while nothing is added
	waited time.Duration // for something to be added
	ending bool          // it was quiet for too long

	left    *followed // the file before, for a while
	leaving time.Time // when it was left
}

func newFollower(o *options) *follower {
	if o.live.poll == 0 {
		o.live.poll = defaultPoll
	}
	if o.live.linger == 0 {
		o.live.linger = defaultLinger
	}
	split := &blocks.Lines{}
	f := &follower{
		chain: chain{path: o.paths[0], live: &o.live}, opts: o, clock: o.live.onClock(),
		reader: blocks.New(split, o.maxRecord), tally: blocks.NewTally(split.Count), size: blockSize{fixed: o.blockSize}, part: -1,
	}
	f.reader.Use(&f.memory)
	return f
}

// open looks at the path for the first time.
func (f *follower) open() error {
	err := errStdinGrows
	if f.path != stdin {
		f.looked = f.clock.Now()
		err = f.look(f.looked)
	}
	if err == nil && f.live.fromEnd && f.tip != nil {
		err = f.tip.toEnd()
	}
	if err != nil {
		return errors.Join(&Error{File: f.path, Err: pathless(err)}, f.Close())
	}
	return nil
}

var errStdinGrows = errors.New("standard input cannot be followed; Lines reads it as it comes")

// toEnd goes to the start of the line that is at the end of a file.
func (f *followed) toEnd() error {
	f.pos = f.seen
	for end := f.seen; end > 0; end = max(0, end-defaultBlockSize) {
		from := max(0, end-defaultBlockSize)
		b, err := f.bytes(from, end-from)
		if err != nil {
			return err
		}
		i := bytes.LastIndexByte(b, '\n')
		if f.pos = from + int64(i) + 1; i >= 0 {
			break
		}
	}
	return f.goTo(f.pos)
}

// taken is what next took: a block of lines, or a token of none that tells a place,
// or a gap.
type taken struct {
	block []byte // nil for a line over the limit too
	token stage.Token
	gap   error
}

// next takes the next block.
func (f *follower) next(ctx context.Context, limit stage.Limit) (taken, error) {
	want, records := f.size.of(limit)
	for {
		if ctx.Err() != nil {
			return taken{}, context.Cause(ctx)
		}
		now := f.clock.Now()
		if now.Sub(f.looked) >= f.live.poll {
			f.lookAgain(now)
		}
		if f.cur == nil && !f.begin() {
			if err := f.none(ctx, now); err != nil {
				return taken{}, err
			}
			continue
		}
		switch {
		case len(f.gaps) > 0:
			return f.gap(), nil
		case !f.placed:
			f.placed = true
			return f.take(blocks.Block{Offset: f.reader.Offset()}), nil
		}
		f.finish = f.mayLeave(now)
		b, err := f.reader.Next(ctx, want, records)
		switch {
		case err == nil:
			return f.take(b), nil
		case err == io.EOF:
			if err := f.leave(now); err != nil {
				return taken{}, err
			}
		case err != blocks.ErrGaveUp:
			return taken{}, f.failure(err)
		case ctx.Err() == nil:
			if err := f.none(ctx, now); err != nil {
				return taken{}, err
			}
		}
	}
}

// read implements blocks.ReadFunc: it gives up where there is nothing more yet.
func (f *follower) read(_ context.Context, p []byte) (n int, err error) {
	whole := true
	if f.cur != f.tip || f.cur.seen > 0 { // else looking tells whether it was empty all the time
		n, whole, err = f.cur.read(p)
	}
	if whole {
		f.torn = time.Time{}
	} else if f.torn.IsZero() {
		f.torn = f.clock.Now()
	}
	switch {
	case err != nil:
		return 0, err
	case n > 0:
		f.cur.grown = f.clock.Now()
		f.waited, f.pause = 0, 0
		return n, nil
	case f.finish && whole:
		return 0, io.EOF
	}
	return 0, blocks.ErrGaveUp
}

// take is what a block becomes.
func (f *follower) take(b blocks.Block) taken {
	return taken{block: b.Data, token: stage.Token{
		First: f.tally.Add(b, f.part), N: b.Records,
		At: stage.Position{Part: f.part, Offset: b.Offset, Key: f.cur.key(f.path)},
	}}
}

// gap takes the next gap.
func (f *follower) gap() taken {
	t := f.take(blocks.Block{Offset: f.reader.Offset(), Records: 1})
	t.token.At.Key += gapMark
	t.gap, f.gaps, f.placed = f.gaps[0], f.gaps[1:], true
	return t
}

// begin begins to read the next file, if there is one.
func (f *follower) begin() bool {
	if len(f.ahead) == 0 {
		return false
	}
	f.cur, f.ahead = f.ahead[0], f.ahead[1:]
	f.part++
	f.torn, f.placed = time.Time{}, false
	f.reader.Reset(f.read, true)
	if f.cur.pos > 0 {
		f.reader.Begin(f.cur.pos)
	}
	if f.cur.gap != nil {
		f.gaps = append(f.gaps, f.cur.gap)
	}
	return true
}

// mayLeave reports whether the file that is read is to be left at its end. That at
// the path is not begun before there is something in it: an empty one cannot be
// told from what it becomes when it is truncated.
func (f *follower) mayLeave(now time.Time) bool {
	switch {
	case f.ending:
		return true
	case len(f.ahead) == 0:
		return false
	case f.ahead[0] != f.tip:
		return true
	}
	if info, err := f.tip.file.Stat(); err == nil && f.tip.seen == 0 && info.Size() > 0 {
		f.lookAgain(now) // other files may have come before what is in it now
	}
	return f.ahead[0] != f.tip || f.tip.seen > 0 && f.lingered(now) <= 0
}

// lingered is how much longer nothing must be added to the file that is read.
func (f *follower) lingered(now time.Time) time.Duration {
	if f.cur.file == nil || f.cur.final {
		return 0
	}
	since := f.cur.grown
	if f.ahead[0].known.After(since) {
		since = f.ahead[0].known
	}
	return f.live.linger - now.Sub(since)
}

// leave goes on to the next file.
func (f *follower) leave(now time.Time) error {
	err := f.left.close()
	f.left, f.leaving = f.cur, now
	f.cur = nil
	if f.ending || f.left.file == nil || f.left.final {
		err = errors.Join(err, f.left.close())
		f.left = nil
	}
	switch {
	case err != nil:
		return f.failure(err)
	case f.ending && len(f.ahead) == 0:
		return io.EOF
	}
	return nil
}

// lookAgain looks at the path, and at the file that was left.
func (f *follower) lookAgain(now time.Time) {
	f.looked = now
	if err := f.look(now); err != nil && f.failed == nil {
		f.failed = err
	}
	if f.left == nil {
		return
	}
	info, err := f.left.file.Stat()
	if err == nil && info.Size() > f.left.pos {
		f.gaps = append(f.gaps, fmt.Errorf("%w: %d bytes were added to the file before after it was left",
			ErrGap, info.Size()-f.left.pos))
		f.left.pos = info.Size()
	}
	if err != nil || now.Sub(f.leaving) >= leftFor {
		err = errors.Join(err, f.left.close())
		f.left = nil
		if f.failed == nil {
			f.failed = err
		}
	}
}

// none deals with there being nothing to read now: it looks at the path, and waits if
// that changes nothing.
func (f *follower) none(ctx context.Context, now time.Time) error {
	if f.failed != nil {
		return f.failure(f.failed)
	}
	ahead, gaps := len(f.ahead), len(f.gaps)
	empty := f.cur != nil && f.cur.seen == 0
	f.lookAgain(now)
	if f.failed != nil || len(f.ahead) != ahead || len(f.gaps) != gaps || empty && f.cur.seen > 0 {
		return nil //nolint:nilerr // it is told when all is read
	}
	if !f.torn.IsZero() && (f.ending || f.cur != f.tip && now.Sub(f.torn) >= f.live.linger) {
		f.gaps = append(f.gaps, fmt.Errorf("%w: the file was truncated after it was rotated away", ErrGap))
		f.failed = f.cur.close()
		return nil
	}
	f.pause = min(max(2*f.pause, f.live.poll/64, time.Millisecond), f.live.poll)
	d := f.pause
	if f.cur != nil && ahead == 1 && f.ahead[0].seen > 0 {
		d = min(d, max(f.lingered(now), time.Millisecond))
	} else if idle := f.live.idle; idle > 0 {
		if f.waited >= idle {
			f.ending = true
			if f.cur == nil {
				return io.EOF
			}
			return nil
		}
		d = min(d, idle-f.waited)
	}
	err := waitFor(ctx, f.clock, d)
	f.waited += f.clock.Now().Sub(now)
	return err
}

// failure gives an error its place.
func (f *follower) failure(err error) error {
	e := &Error{File: f.path, Err: pathless(err)}
	if f.cur != nil {
		e.Record, e.Byte = f.tally.Records(f.part)+1, f.reader.Bytes()
	}
	return e
}

func (f *follower) Close() error {
	err := errors.Join(f.cur.close(), f.left.close(), f.close())
	f.cur, f.left = nil, nil
	if err != nil {
		return &Error{File: f.path, Err: pathless(err)}
	}
	return nil
}

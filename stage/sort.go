package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/penstock-go/penstock/internal/spill"
)

// Sort is the stream of the same items in the order of cmp, which is negative when a
// comes before b; equal items keep their order (see slices.SortStableFunc). It reads all
// of its input before its first item, and pulls again only what it holds.
//
// Sort is an external merge sort. It takes SpillMemory bytes for items, split into a few
// buffers: while one fills, goroutines of its own (one less than there are buffers, at
// most four, no more than GOMAXPROCS) sort the full ones and, once the memory is used up,
// write them to temporary files in SpillDir. Items that fit into about a third of the
// memory are never written. Files are merged 64 at a time at most, in several passes if
// there are more; a quarter of the memory is set aside for that, and an eighth for what is
// on its way. With the garbage collector's default the program takes about twice as much.
// Strings and slices of bytes are copied, so that Sort keeps no larger block alive for
// their sake. Temporary files are gone, and goroutines have ended, when the stream is
// closed, however it ended.
//
// Failed items pass at once, in the order in which they arrive, ahead of the first item.
// If the input fails or the run is told to stop, Sort ends with that error and without
// its items: nobody can know their order. A cmp that panics, and a file that cannot be
// written or does not read back as it was written, ends the stream; the error names the
// file. cmp must be a strict weak order and safe for concurrent use. A run with a
// checkpoint refuses Sort: its state is its whole input. Sort panics if cmp is nil, or if
// items of type T cannot be written to a file (see SpillCodec).
func Sort[T any](in Stream[T], cmp func(a, b T) int, opts ...SpillOption) Stream[T] {
	notNil(cmp == nil, "stage.Sort: cmp")
	cfg := newSpillConfig("stage.Sort", opts)
	cfg.checkTypes("stage.Sort", isFor[T])
	codec := codecFor[T]("stage.Sort", &cfg)
	return keeping("Sort", "", in, func(ctx context.Context, up upstream[T]) (Puller[T], error) {
		return newSorting(ctx, up, cmp, cfg, codec), nil
	})
}

const (
	maxFanIn   = 64
	minFanIn   = 4
	maxBlock   = 128 << 10
	minBlock   = 4 << 10
	maxSorters = 4
)

type sorting[T any] struct {
	upstream[T]
	ctx    context.Context // of the run
	cmp    func(a, b T) int
	cfg    spillConfig
	codec  spill.Codec[T]
	give   func(block []byte) // gives a block back to the source, nil: it cannot be
	share  int64              // bytes of a buffer
	block  int                // bytes of a file's block
	fanIn  int
	in     Chunk[T]
	at     int     // items of in that are in a buffer
	tokens []Token // of all items
	upEnd  error   // upstream's, sticky
	end    error   // sticky

	buffers int // how many there may be
	made    int
	usual   int            // items of the last buffer that was full
	fill    *sortBuffer[T] // nil: none at hand
	free    []*sortBuffer[T]
	sorted  []*sortBuffer[T] // in memory, waiting
	spills  bool             // the memory is used up
	runs    []*sortRun[T]    // by place; nil while they are made
	done    chan sortDone[T] // of jobs
	jobs    int              // running
	stop    atomic.Bool
	out     *sortMerge[T]
}

// sortDone is what a job ends with.
type sortDone[T any] struct {
	buffer *sortBuffer[T] // of a job that sorts
	first  int            // of a job that merges: its runs are [first, first+merged)
	merged int
	run    *sortRun[T] // nil: the buffer stays in memory
	err    error
}

func newSorting[T any](
	ctx context.Context, up upstream[T], cmp func(a, b T) int, cfg spillConfig, codec spill.Codec[T],
) *sorting[T] {
	s := &sorting[T]{upstream: up, ctx: ctx, cmp: cmp, cfg: cfg, codec: codec}
	s.buffers = min(runtime.GOMAXPROCS(0), maxSorters) + 1
	s.share = max(cfg.memory/8*5/int64(s.buffers), 1)
	s.block, s.fanIn = cfg.merging()
	s.done = make(chan sortDone[T], s.buffers)
	if codec.Whole {
		s.give = recycler(up.p)
	}
	return s
}

// recycler is the function that gives blocks back to a source from which items come
// straight, so that nobody else can have kept views of them; nil if there is none.
func recycler[T any](p Puller[T]) func(block []byte) {
	g, ok := p.(*guard[T])
	if !ok || g.stage || g.fill == nil {
		return nil
	}
	if r, ok := g.p.(interface{ Recycle(block []byte) }); ok {
		return r.Recycle
	}
	return nil
}

// Pull implements Puller.
func (s *sorting[T]) Pull(ctx context.Context, into *Chunk[T], max Limit) error {
	into.Reset()
	for s.end == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.out != nil {
			return s.emit(into, min(max.Room(), maxChunk))
		}
		err := s.step(ctx, into)
		if err != nil && gaveUp(ctx, err) {
			sent(s.m, into)
			return err
		}
		s.end = err
		if !into.Empty() {
			break
		}
	}
	sent(s.m, into)
	return s.end
}

// step takes the next chunk in, or prepares the output after the last. Its error ends
// the stream, unless it says that the pull was given up.
func (s *sorting[T]) step(ctx context.Context, into *Chunk[T]) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	if s.upEnd == io.EOF {
		return s.finish(ctx)
	}
	if s.upEnd != nil {
		return s.upEnd
	}
	err := s.upstream.Pull(ctx, &s.in, Limit{})
	s.at = 0
	for _, e := range s.in.Errors {
		into.Fail(e)
	}
	s.tokens = appendTokens(s.tokens, s.in.Tokens)
	into.Partial = true
	if err != nil && gaveUp(ctx, err) {
		return err
	}
	s.upEnd = err
	if !into.Empty() {
		return nil // its items are taken with the next step
	}
	return s.take(ctx)
}

// take puts the items of the chunk that came into buffers.
func (s *sorting[T]) take(ctx context.Context) error {
	for s.at < len(s.in.Items) {
		if s.fill == nil {
			if err := s.acquire(ctx); err != nil {
				return err
			}
		}
		full, err := s.load()
		if err != nil {
			return err
		}
		if full {
			s.seal()
		}
	}
	if s.give != nil && s.in.Block != nil && len(s.in.Errors) == 0 {
		s.give(s.in.Block)
	}
	s.in.Reset()
	s.at = 0
	return nil
}

// load puts items into the buffer at hand until it is full.
func (s *sorting[T]) load() (full bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicIn(s.m, v) // in SpillSize
		}
	}()
	b := s.fill
	for s.at < len(s.in.Items) {
		b.items = append(b.items, s.in.Items[s.at])
		s.at++
		v := &b.items[len(b.items)-1]
		if s.codec.Own != nil {
			s.codec.Own(v, &b.arena)
		}
		if !s.codec.Whole {
			b.extra += s.codec.Size(v)
		}
		if b.held() >= s.share {
			return true, nil
		}
	}
	return false, nil
}

// acquire gets a buffer to fill.
func (s *sorting[T]) acquire(ctx context.Context) error {
	for len(s.free) == 0 {
		if s.made < s.buffers {
			s.made++
			b := &sortBuffer[T]{}
			if s.made > 1 { // as many as made the first one full
				b.items = make([]T, 0, s.usual+s.usual/32)
			}
			s.free = append(s.free, b)
			if s.made == s.buffers {
				s.spills = true
			}
			break
		}
		s.spillSorted()
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	if s.spills {
		s.spillSorted()
	}
	if err := s.compact(ctx); err != nil {
		return err
	}
	n := len(s.free) - 1
	s.fill, s.free = s.free[n], s.free[:n]
	s.fill.seq = len(s.runs)
	s.runs = append(s.runs, nil)
	return nil
}

// seal lets the buffer at hand be sorted.
func (s *sorting[T]) seal() {
	b := s.fill
	s.fill = nil
	s.usual = len(b.items)
	spills := s.spills
	s.start(sortDone[T]{buffer: b}, func(d *sortDone[T]) error {
		b.sortStable(s.cmp, &s.stop)
		if !spills {
			return nil
		}
		return s.write(d)
	})
}

// spillSorted writes what waits in memory.
func (s *sorting[T]) spillSorted() {
	for _, b := range s.sorted {
		s.start(sortDone[T]{buffer: b}, s.write)
	}
	s.sorted = nil
}

// write writes a job's buffer to a file.
func (s *sorting[T]) write(d *sortDone[T]) error {
	file, err := spill.Create(s.ctx, s.cfg.dir, "sort", s.block)
	if err != nil {
		return err
	}
	d.run = &sortRun[T]{file: file}
	return d.buffer.write(file, &s.codec, &s.stop)
}

// start starts a job. No more run at a time than done has room for.
func (s *sorting[T]) start(d sortDone[T], job func(*sortDone[T]) error) {
	s.jobs++
	go func() {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				d.err = panicked(v)
			} else if !returned {
				d.err = ErrGoexit
			}
			s.done <- d
		}()
		d.err = job(&d)
		returned = true
	}()
}

// wait waits for a job to end, and takes what it made.
func (s *sorting[T]) wait(ctx context.Context) error {
	select {
	case d := <-s.done:
		return s.ended(d)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *sorting[T]) ended(d sortDone[T]) error {
	s.jobs--
	switch {
	case d.buffer == nil: // a merge
		if d.err == nil {
			old := slices.Clone(s.runs[d.first : d.first+d.merged])
			s.runs = slices.Replace(s.runs, d.first, d.first+d.merged, d.run)
			for _, r := range old {
				d.err = withClose(d.err, r.file.Close())
			}
		} else if d.run != nil {
			d.err = withClose(d.err, d.run.file.Close())
		}
	case d.run == nil:
		s.sorted = append(s.sorted, d.buffer)
	default:
		s.runs[d.buffer.seq] = d.run
		d.buffer.reset()
		s.free = append(s.free, d.buffer)
	}
	if d.err != nil {
		return fmt.Errorf("%s: %w", s.m.Node.Label(), d.err)
	}
	return nil
}

// waitAll waits until no job runs.
func (s *sorting[T]) waitAll(ctx context.Context) error {
	for s.jobs > 0 {
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// compact merges the last runs as long as there are many of one level, so that the
// number of open files grows with the logarithm of the input only.
func (s *sorting[T]) compact(ctx context.Context) error {
	if len(s.runs) < s.fanIn {
		return nil
	}
	for {
		tail := s.runs[max(0, len(s.runs)-s.fanIn):]
		if len(tail) < s.fanIn || slices.Contains(tail, nil) && s.jobs == 0 {
			return nil
		}
		for _, r := range tail {
			if r != nil && r.level != lowest(tail) {
				return nil
			}
		}
		if s.jobs > 0 {
			if err := s.waitAll(ctx); err != nil {
				return err
			}
			continue
		}
		if err := s.merge(ctx, len(s.runs)-s.fanIn, s.fanIn); err != nil {
			return err
		}
	}
}

func lowest[T any](runs []*sortRun[T]) int {
	last := runs[len(runs)-1]
	if last == nil {
		return 0
	}
	return last.level
}

// merge makes one run of n that follow each other.
func (s *sorting[T]) merge(ctx context.Context, first, n int) error {
	runs := slices.Clone(s.runs[first : first+n])
	s.start(sortDone[T]{first: first, merged: n}, func(d *sortDone[T]) error {
		file, err := spill.Create(s.ctx, s.cfg.dir, "sort", s.block)
		if err != nil {
			return err
		}
		d.run = &sortRun[T]{file: file}
		for _, r := range runs {
			d.run.level = max(d.run.level, r.level+1)
		}
		m, err := newSortMerge(runs, &s.codec, s.cmp)
		if err != nil {
			return err
		}
		return m.mergeInto(file, &s.stop)
	})
	return s.waitAll(ctx)
}

// finish prepares the output when all items are in.
func (s *sorting[T]) finish(ctx context.Context) error {
	if s.fill != nil {
		s.seal()
	}
	if s.spills {
		s.spillSorted()
	}
	if err := s.waitAll(ctx); err != nil {
		return err
	}
	if s.spills {
		if len(s.sorted) > 0 { // sorted before the memory was used up
			s.spillSorted()
			if err := s.waitAll(ctx); err != nil {
				return err
			}
		}
		s.free = nil
		for len(s.runs) > s.fanIn {
			n := min(s.fanIn, len(s.runs)-s.fanIn+1)
			if err := s.merge(ctx, len(s.runs)-n, n); err != nil {
				return err
			}
		}
	}
	for _, b := range s.sorted {
		s.runs[b.seq] = &sortRun[T]{items: b.items}
		b.spare = nil
	}
	s.sorted = nil
	return s.open()
}

// open opens the merge of all runs.
func (s *sorting[T]) open() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", s.m.Node.Label(), err)
		}
	}()
	s.out, err = newSortMerge(s.runs, &s.codec, s.cmp)
	return err
}

// emit hands on the next items.
func (s *sorting[T]) emit(into *Chunk[T], room int) error {
	err := s.merged(into, room)
	switch {
	case err == io.EOF:
		into.Tokens = append(into.Tokens, s.tokens...)
		s.tokens = nil
		s.end = err
	case err != nil:
		s.end = fmt.Errorf("%s: %w", s.m.Node.Label(), err)
		fallthrough
	default:
		into.Partial = true
	}
	sent(s.m, into)
	return s.end
}

// merged appends the next items.
func (s *sorting[T]) merged(into *Chunk[T], room int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	into.Items = slices.Grow(into.Items, room)
	for range room {
		v, err := s.out.next()
		if err != nil {
			return err
		}
		into.Items = append(into.Items, v)
	}
	return nil
}

// Close implements Puller. It is idempotent.
func (s *sorting[T]) Close() error {
	if s.closed {
		return nil
	}
	s.stop.Store(true)
	for s.jobs > 0 { // what they report is no news any more
		d := <-s.done
		s.jobs--
		if d.run != nil && d.buffer != nil {
			s.runs[d.buffer.seq] = d.run
		} else if d.run != nil {
			s.runs = append(s.runs, d.run)
		}
	}
	var err error
	for _, r := range s.runs {
		if r != nil && r.file != nil {
			err = errors.Join(err, r.file.Close())
		}
	}
	s.runs, s.out, s.fill, s.free, s.sorted, s.tokens, s.in = nil, nil, nil, nil, nil, nil, Chunk[T]{}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.m.Node.Label(), err)
	}
	s.m.Settle()
	s.end = io.EOF
	return withClose(err, s.upstream.Close())
}

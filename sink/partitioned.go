package sink

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/internal/encode"
	"github.com/penstock-go/penstock/internal/fsys"
	"github.com/penstock-go/penstock/stage"
)

const (
	defaultMaxOpen       = 64
	defaultMaxPartitions = 10_000

	// partitionBuffer is how many bytes of a partition wait to be written at most,
	// partitionBuffers how many of all partitions together.
	partitionBuffer  = 256 << 10
	partitionBuffers = 16 << 20
)

// MaxOpen is how many files a [Partitioned] sink has open at a time. When one more
// is needed, the one that was written to longest ago is closed, and opened again
// when its partition comes back. The default, and what 0 means, is 64. MaxOpen
// panics if n is negative.
func MaxOpen(n int) FileOption {
	notNegative("MaxOpen: n", n)
	return fileOption(func(o *fileOptions) { o.maxOpen, o.partition = n, "MaxOpen" })
}

// MaxPartitions is how many partitions a [Partitioned] sink makes; one more fails
// the run with [ErrTooManyPartitions]. Each costs some memory and a folder, so
// that partitioning by a column that is different in every item is a mistake. The
// default, and what 0 means, is 10,000. MaxPartitions panics if n is negative.
func MaxPartitions(n int) FileOption {
	notNegative("MaxPartitions: n", n)
	return fileOption(func(o *fileOptions) { o.maxPartitions, o.partition = n, "MaxPartitions" })
}

// ErrTooManyPartitions says that items have more keys than [MaxPartitions] allows.
var ErrTooManyPartitions = errors.New("too many partitions")

// Partitioned writes the items to files by their keys: each partition has a folder
// below root and there the files that name is numbered to, as [MaxBytes] numbers
// them.
//
//	sink.Partitioned("flights", "part.csv.gz", sink.CSVEncoder[Flight](),
//		sink.By("origin", func(f Flight) string { return f.Origin }))
//
// writes flights/origin=LAS/part-00001.csv.gz and so on. The columns of the
// partition are in the files too, unless the encoder leaves them out. Items of a
// partition keep the stream's order.
//
// Folders are named as Hive names them: what a file system could take for
// something else is written as % and two hexadecimal digits, and the empty value
// is __HIVE_DEFAULT_PARTITION__. A name of more than 255 bytes is an error,
// [ErrKeyTooLong]; so are two values that the file system takes for one, as where
// it does not tell Las from LAS. Nothing is written outside of root, whatever the
// keys and the links below root are. Root is made if it is missing; its own folder
// must exist.
//
// The files become visible together, when the run has succeeded; see the package's
// documentation. In each folder that gets files, they replace all files of an
// earlier run with such names; other folders stay as they are.
//
// In a run with a checkpoint files become visible as they become complete, which
// without MaxBytes is at the end, and are listed in a manifest. At each checkpoint all
// that waits in memory is written, and each file that was written to since the one
// before is synced, so that many partitions want few checkpoints. The checkpoint's
// state has about 150 bytes for each file that goes on, of which there is at most one
// for each of [MaxPartitions], and for each that was completed since the one before.
// A run without a checkpoint leaves a manifest as it is, whatever it replaces.
//
// Up to 256 KiB wait in memory for each partition, 16 MiB for all together; each
// such piece is compressed by itself, in the goroutine that writes to the sink, so
// that many partitions cost little memory and the files are somewhat larger. The
// options are Level, MaxBytes, [MaxOpen] and [MaxPartitions].
//
// An item that cannot be encoded or that has no folder fails the run, with an
// error that names the item, counted from 0. Partitioned panics if root or name is
// empty, name is a path, enc is nil, by has no column or an option does not fit.
func Partitioned[T any](root, name string, enc stage.Encoder[T], by Partition[T], opts ...FileOption) stage.Sink[T] {
	notNil(enc == nil, "Partitioned: enc")
	switch {
	case root == "":
		panic("penstock: sink.Partitioned: root is empty")
	case len(by.columns) == 0:
		panic("penstock: sink.Partitioned: by has no column")
	case name == "" || name == "." || name == ".." || name != escape(name):
		panic(fmt.Sprintf("penstock: sink.Partitioned: name is %q, want the name of a file", name))
	}
	o := newFileOptions("Partitioned", name, opts)
	if o.maxOpen == 0 {
		o.maxOpen = defaultMaxOpen
	}
	if o.maxPartitions == 0 {
		o.maxPartitions = defaultMaxPartitions
	}
	plan := partitionPlan[T]{root: root, names: partsOf(name), name: name, fileOptions: &o, enc: enc, by: by}
	return opener[T]{verb: "Partitioned", name: root, open: plan.open, reopen: plan.reopen}
}

// partitionPlan is a Partitioned sink.
type partitionPlan[T any] struct {
	*fileOptions

	root  string
	name  string
	names partNames
	enc   stage.Encoder[T]
	by    Partition[T]
}

// writer is a writer that has no files yet.
func (p partitionPlan[T]) writer(ctx context.Context) (w *partitionWriter[T], err error) {
	if err := fsys.Claim(ctx, filepath.Join(p.root, "**", p.names.pattern())); err != nil {
		return nil, err
	}
	w = &partitionWriter[T]{partitionPlan: p, format: encode.FormatOf(p.enc), partitions: map[string]*partition{}}
	w.packer, err = codec.NewPacker(p.name, p.codec)
	return w, err
}

func (p partitionPlan[T]) open(ctx context.Context) (stage.Writer[T], error) {
	w, err := p.writer(ctx)
	if err == nil && stage.Checkpointed(ctx) {
		return p.openDurable(ctx, w)
	}
	var set *atomicfile.Set
	if err == nil {
		set, err = atomicfile.OpenSet(p.root, true, p.names.has, p.fault)
	}
	if err != nil {
		return nil, fmt.Errorf("sink: %s: %w", p.root, err)
	}
	w.set = atomicSet{set}
	return w, nil
}

// partitionWriter writes items to the files of their partitions.
type partitionWriter[T any] struct {
	partitionPlan[T]

	format stage.Format
	set    partFiles
	packer *codec.Packer

	partitions map[string]*partition
	opened     list.List // of *partition with an open file, the one written to last first
	waiting    int       // bytes in the partitions' buffers
	items      int64
	failed     error

	// Of the chunk at hand: its items are bucketed by lists of their places.
	touched []*partition
	after   []int32
	batch   []T
	places  []int32
}

// partition is what is known of a key.
type partition struct {
	dir         string
	buf         []byte // records that wait to be written
	rows        int    // how many they are
	part        partFile
	n           int   // files begun
	size        int64 // bytes in the file at hand, before compression
	opened      *list.Element
	first, last int32 // its items in the chunk at hand; first is -1 if there is none
}

// Write implements stage.Writer.
func (w *partitionWriter[T]) Write(_ context.Context, c *stage.Chunk[T]) error {
	if w.failed == nil {
		if err := w.write(c.Items); err != nil {
			w.failed = fmt.Errorf("sink: %s: %w", w.root, err)
		}
	}
	return w.failed
}

func (w *partitionWriter[T]) write(items []T) (err error) {
	defer func() {
		for _, p := range w.touched {
			p.first = -1
		}
		w.touched = w.touched[:0]
	}()
	if err := w.bucket(items); err != nil {
		return err
	}
	for _, p := range w.touched {
		w.batch, w.places = w.batch[:0], w.places[:0]
		for i := p.first; i >= 0; i = w.after[i] {
			w.batch = append(w.batch, items[i])
			w.places = append(w.places, i)
		}
		err := w.encode(p)
		clear(w.batch)
		if err != nil {
			return err
		}
	}
	w.items += int64(len(items))
	return nil
}

// bucket finds the items' partitions.
func (w *partitionWriter[T]) bucket(items []T) (err error) {
	at := 0
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = fmt.Errorf("item %d: %w", w.items+int64(at), err)
		}
	}()
	w.after = slices.Grow(w.after[:0], len(items))[:len(items)]
	for ; at < len(items); at++ {
		p, err := w.partitionOf(items[at])
		if err != nil {
			return err
		}
		if p.first < 0 {
			p.first = int32(at)
			w.touched = append(w.touched, p)
		} else {
			w.after[p.last] = int32(at)
		}
		p.last, w.after[at] = int32(at), -1
	}
	return nil
}

func (w *partitionWriter[T]) partitionOf(item T) (*partition, error) {
	dir, err := w.by.folder(item)
	if err != nil {
		return nil, err
	}
	if p := w.partitions[dir]; p != nil {
		return p, nil
	}
	if len(w.partitions) == w.maxPartitions {
		return nil, fmt.Errorf("%w: more than MaxPartitions(%d)", ErrTooManyPartitions, w.maxPartitions)
	}
	p := &partition{dir: dir, first: -1}
	w.partitions[dir] = p
	return p, nil
}

// encode adds the batch to its partition.
func (w *partitionWriter[T]) encode(p *partition) error {
	for rest, done := w.batch, 0; len(rest) > 0; {
		some := rest[:min(len(rest), encodeItems)]
		before := len(p.buf)
		buf, n, err := encode.Items(w.enc, p.buf, some, false)
		p.buf = buf
		w.waiting += len(buf) - before
		done += n
		p.rows += n
		if err != nil {
			return fmt.Errorf("item %d: %w", w.items+int64(w.places[done]), err)
		}
		rest = rest[n:]
		if len(p.buf) >= partitionBuffer {
			if err := w.flush(p); err != nil {
				return err
			}
		}
	}
	if w.waiting > partitionBuffers {
		return w.relieve()
	}
	return nil
}

// relieve writes the largest buffers, until half of the memory is free.
func (w *partitionWriter[T]) relieve() error {
	all := make([]*partition, 0, len(w.partitions))
	for _, p := range w.partitions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *partition) int { return len(b.buf) - len(a.buf) })
	for _, p := range all {
		if w.waiting <= partitionBuffers/2 {
			break
		}
		if err := w.flush(p); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what waits in a partition's buffer.
func (w *partitionWriter[T]) flush(p *partition) error {
	b := p.buf
	w.waiting -= len(b)
	p.buf = nil // other partitions need the memory
	for len(b) > 0 {
		var head []byte
		if p.part == nil {
			if err := w.begin(p); err != nil {
				return err
			}
			if w.format != nil {
				head = w.format.Header()
			}
		}
		p.size += int64(len(head))
		n := len(b)
		if w.maxBytes > 0 {
			n = cut(b, w.maxBytes-p.size, w.format)
		}
		if err := w.put(p, head, b[:n]); err != nil {
			return err
		}
		p.count(b[:n], n == len(b), w.format)
		b = b[n:]
		p.size += int64(n)
		if w.maxBytes > 0 && p.size >= w.maxBytes {
			if err := w.end(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// count notes how many records were written to the file at hand: all that waited,
// or those of b.
func (p *partition) count(b []byte, all bool, format stage.Format) {
	durable, ok := p.part.(*part)
	if !ok {
		p.rows = 0
		return
	}
	rows := p.rows
	if !all {
		rows = recordsOf(b, format)
	}
	p.rows -= rows
	durable.Rows += int64(rows)
}

// begin begins a partition's next file.
func (w *partitionWriter[T]) begin(p *partition) (err error) {
	if err := w.makeRoom(); err != nil {
		return err
	}
	p.n++
	p.size = 0
	if p.part, err = w.set.Create(p.dir, w.names.name(p.n)); err != nil {
		return err
	}
	p.opened = w.opened.PushFront(p)
	return nil
}

// makeRoom closes files until one more may be open.
func (w *partitionWriter[T]) makeRoom() error {
	for w.opened.Len() >= w.maxOpen {
		last, _ := w.opened.Remove(w.opened.Back()).(*partition)
		last.opened = nil
		if err := last.part.Suspend(); err != nil {
			return err
		}
	}
	return nil
}

// put writes records to a partition's file.
func (w *partitionWriter[T]) put(p *partition, head, records []byte) error {
	if p.opened != nil {
		w.opened.MoveToFront(p.opened)
	} else {
		if err := w.makeRoom(); err != nil {
			return err
		}
		p.opened = w.opened.PushFront(p)
	}
	piece := records
	if len(head) > 0 {
		piece = append(slices.Clip(head), records...)
	}
	packed, err := w.packer.Pack(piece)
	if err == nil {
		_, err = p.part.Write(packed)
	}
	return err
}

// end completes a partition's file.
func (w *partitionWriter[T]) end(p *partition) error {
	part := p.part
	p.part = nil
	if p.opened != nil {
		w.opened.Remove(p.opened)
		p.opened = nil
	}
	return part.Finish()
}

// Close implements stage.Writer.
func (w *partitionWriter[T]) Close(_ context.Context, cause error) (err error) {
	switch {
	case cause != nil:
		err = w.set.Abort()
	case w.failed != nil:
		return errors.Join(w.failed, w.set.Abort())
	default:
		err = w.commit()
	}
	w.partitions = nil
	if err != nil {
		return fmt.Errorf("sink: %s: %w", w.root, err)
	}
	return nil
}

func (w *partitionWriter[T]) commit() error {
	for _, dir := range slices.Sorted(maps.Keys(w.partitions)) {
		p := w.partitions[dir]
		err := w.flush(p)
		if err == nil && p.part != nil {
			err = w.end(p)
		}
		if err != nil {
			return errors.Join(err, w.set.Abort())
		}
	}
	return w.set.Commit()
}

package codec

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What may be decoded ahead: frames of at most maxFrame bytes, before and after,
// and so many bytes of them that were not read yet.
const (
	maxFrame = 8 << 20
	maxAhead = 8 << 20
)

// maxBlock is the largest block of a zstd frame.
const maxBlock = 128 << 10

// frames reads zstd data. Frames that are small enough are found without decoding
// them, decoded ahead in goroutines, and read in their order. From the first that is
// larger, or not whole, the rest is decoded as one stream.
type frames struct {
	src    *bufio.Reader
	limits *Limits
	ahead  int

	stream *zstd.Decoder // decodes the rest
	small  *zstd.Decoder // decodes whole frames, in several goroutines at once

	jobs    chan *frame
	workers sync.WaitGroup
	queue   []*frame // found and not read yet
	size    int      // the decoded bytes of those
	rest    *frame   // the first that is too large, or the broken end: what was read of it
	end     error    // why no frame was found: io.EOF, or the source's failure
	cur     *frame

	streamed []*frame // what the stream begins with
}

// frame is one frame that is decoded ahead.
type frame struct {
	packed  []byte
	bound   int // it decodes to no more bytes
	data    []byte
	pos     int // what was read of data
	err     error
	decoded chan struct{}
}

func newFrames(src *bufio.Reader, limits *Limits, ahead int) (*frames, error) {
	f := &frames{src: src, limits: limits, ahead: ahead}
	if ahead > 1 {
		var err error
		f.small, err = f.decoder(nil)
		return f, err
	}
	var err error
	f.stream, err = f.decoder(src)
	return f, err
}

func (f *frames) decoder(src io.Reader) (*zstd.Decoder, error) {
	spare := &f.limits.stream
	if src == nil {
		spare = &f.limits.small
	}
	if d := *spare; d != nil {
		*spare = nil
		return d, d.Reset(src)
	}
	return zstd.NewReader(src, zstd.WithDecoderConcurrency(max(1, f.ahead)), zstd.WithDecoderMaxWindow(uint64(f.limits.Window)),
		zstd.WithDecoderMaxMemory(1<<62), zstd.WithDecoderLowmem(true))
}

// Read implements io.Reader.
func (f *frames) Read(p []byte) (int, error) {
	for {
		if f.stream != nil {
			return f.stream.Read(p)
		}
		if f.cur != nil {
			if n := copy(p, f.cur.data[f.cur.pos:]); n > 0 {
				f.cur.pos += n
				return n, nil
			}
			f.limits.frames = append(f.limits.frames, f.cur)
			f.cur = nil
		}
		f.find()
		switch {
		case len(f.queue) > 0:
			next := f.queue[0]
			<-next.decoded
			if next.err != nil {
				// What comes before the error is read the slow way, and so is what
				// the decoder would have gone on with.
				return 0, f.restart()
			}
			f.queue = slices.Delete(f.queue, 0, 1)
			f.size -= next.bound
			f.cur = next
		case f.rest != nil:
			if err := f.restart(); err != nil {
				return 0, err
			}
		default:
			return 0, f.end
		}
	}
}

// restart decodes what was found and not read, and all that follows, as a stream.
func (f *frames) restart() error {
	var sources []io.Reader
	for _, q := range f.queue {
		<-q.decoded
		sources = append(sources, bytes.NewReader(q.packed))
	}
	if f.rest != nil {
		sources = append(sources, bytes.NewReader(f.rest.packed))
	}
	f.streamed = f.queue
	if f.rest != nil {
		f.streamed = append(f.streamed, f.rest)
	}
	f.queue, f.rest = nil, nil
	if f.end != nil && f.end != io.EOF {
		sources = append(sources, failing{f.end})
	} else {
		sources = append(sources, f.src)
	}
	stream, err := f.decoder(io.MultiReader(sources...))
	if err != nil {
		return cutOff(err)
	}
	f.stream = stream
	return nil
}

// find looks for frames and has them decoded while there is room for more.
func (f *frames) find() {
	for f.end == nil && f.rest == nil && (len(f.queue) == 0 || len(f.queue) < 2*f.ahead && f.size < maxAhead) {
		next := f.newFrame()
		err := f.scan(next)
		switch {
		case err == errSkipped:
			f.limits.frames = append(f.limits.frames, next)
		case err == io.EOF && len(next.packed) == 0:
			f.end = io.EOF
		case err != nil:
			f.rest = next
			if !errors.Is(err, io.ErrUnexpectedEOF) && err != errLarge && err != io.EOF {
				f.end = err
			}
		default:
			f.queue = append(f.queue, next)
			f.size += next.bound
			f.decode(next)
		}
	}
}

// newFrame returns a frame to use.
func (f *frames) newFrame() *frame {
	if n := len(f.limits.frames); n > 0 {
		next := f.limits.frames[n-1]
		f.limits.frames = f.limits.frames[:n-1]
		*next = frame{packed: next.packed[:0], data: next.data[:0], decoded: make(chan struct{})}
		return next
	}
	return &frame{decoded: make(chan struct{})}
}

// decode has a frame decoded.
func (f *frames) decode(next *frame) {
	if f.jobs == nil {
		f.jobs = make(chan *frame, 2*f.ahead) // room for the whole queue
		for range f.ahead {
			f.workers.Go(f.work)
		}
	}
	f.jobs <- next
}

func (f *frames) work() {
	for j := range f.jobs {
		j.data, j.err = f.small.DecodeAll(j.packed, slices.Grow(j.data, j.bound)[:0])
		close(j.decoded)
	}
}

// close ends the goroutines and leaves the decoders to the next reader.
func (f *frames) close() {
	if f.jobs != nil {
		for len(f.jobs) > 0 { // do not decode what nobody will read
			select {
			case j := <-f.jobs:
				close(j.decoded)
			default:
			}
		}
		close(f.jobs)
		f.workers.Wait()
		f.jobs = nil
	}
	f.limits.frames = append(append(f.limits.frames, f.queue...), f.streamed...)
	if f.small != nil {
		f.limits.small = f.small
	}
	if f.stream != nil && f.stream.Reset(nil) == nil {
		f.limits.stream = f.stream
	}
	f.queue, f.streamed, f.small, f.stream = nil, nil, nil, nil
}

var (
	errLarge   = errors.New("the frame is large")
	errSkipped = errors.New("the frame is to be skipped")
)

// scan reads one whole frame into j. After an error, j has what was read of it.
func (f *frames) scan(j *frame) error {
	magic, err := f.take(j, 4)
	if err != nil {
		return err
	}
	if string(magic[1:]) == skipMagic && magic[0]&0xf0 == 0x50 {
		size, err := f.take(j, 4)
		if err != nil {
			return err
		}
		return f.skip(j, int64(binary.LittleEndian.Uint32(size)))
	}
	if string(magic) != zstMagic {
		return io.ErrUnexpectedEOF // the decoder will say what is wrong with it
	}
	header, err := f.take(j, 1)
	if err != nil {
		return err
	}
	flags := header[0]
	single := flags&0x20 != 0
	more := [...]int{0, 1, 2, 4}[flags&3] // a dictionary's number
	if !single {
		more++
	}
	sizeBytes := [...]int{0, 2, 4, 8}[flags>>6]
	if single && sizeBytes == 0 {
		sizeBytes = 1
	}
	fields, err := f.take(j, more+sizeBytes)
	if err != nil {
		return err
	}
	block := maxBlock
	if !single { // blocks are no larger than the window
		exponent, mantissa := fields[0]>>3, int(fields[0]&7)
		if exponent < 8 {
			window := 1 << (10 + exponent)
			block = min(block, window+window/8*mantissa)
		}
	}
	content := uint64(0)
	for i, b := range fields[more:] {
		content |= uint64(b) << (8 * i)
	}
	if sizeBytes == 2 {
		content += 256
	}
	if content > maxFrame {
		return errLarge
	}
	blocks := 0
	for last := false; !last; blocks++ {
		b, err := f.take(j, 3)
		if err != nil {
			return err
		}
		h := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last = h&1 != 0
		size := h >> 3
		switch h >> 1 & 3 {
		case 1: // one byte, repeated
			size = 1
		case 3:
			return io.ErrUnexpectedEOF
		}
		if size > maxBlock {
			return io.ErrUnexpectedEOF
		}
		if _, err := f.take(j, size); err != nil {
			return err
		}
		if len(j.packed) > maxFrame || sizeBytes == 0 && (blocks+1)*block > maxFrame {
			return errLarge
		}
	}
	j.bound = blocks * block
	if sizeBytes > 0 {
		j.bound = int(content)
	}
	if flags&4 != 0 {
		if _, err := f.take(j, 4); err != nil {
			return err
		}
	}
	return nil
}

// take reads the next n bytes of a frame.
func (f *frames) take(j *frame, n int) ([]byte, error) {
	at := len(j.packed)
	j.packed = slices.Grow(j.packed, n)[:at+n]
	got, err := io.ReadFull(f.src, j.packed[at:])
	j.packed = j.packed[:at+got]
	return j.packed[at:], err
}

// skip passes over the content of a skippable frame.
func (f *frames) skip(j *frame, n int64) error {
	skipped, err := io.CopyN(io.Discard, f.src, n)
	if err != nil {
		// The decoder is to see the frame end too early: give it the last bytes
		// of one that promises more.
		binary.LittleEndian.PutUint32(j.packed[4:], uint32(n-skipped))
		return cutOff(err)
	}
	j.packed = j.packed[:0]
	return errSkipped
}

// failing is a source that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

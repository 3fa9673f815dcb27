package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sort"

	"github.com/penstock-go/penstock/internal/codec"
	"github.com/penstock-go/penstock/internal/identity"
	"github.com/penstock-go/penstock/stage"
)

// filesFingerprint is what must not change of a source of files.
type filesFingerprint struct {
	Files   map[string]fileFingerprint `json:"files"`
	Records recordsFingerprint         `json:"records"`
}

// fileFingerprint is a file, or a section of one.
type fileFingerprint struct {
	identity.File
	Compression string `json:"compression"`
	From        int64  `json:"from,omitzero"`
	To          int64  `json:"to,omitzero"`
}

// recordsFingerprint is how files are cut into records, and which records fail.
type recordsFingerprint struct {
	MaxRecord int             `json:"max_record"`
	Validate  bool            `json:"validate,omitzero"`
	CSV       *csvFingerprint `json:"csv,omitzero"`
}

// csvFingerprint is a dialect of CSV, and what is made of its fields.
type csvFingerprint struct {
	Comma        string   `json:"comma"`
	Quote        string   `json:"quote"`
	Comment      string   `json:"comment,omitzero"`
	LazyQuotes   bool     `json:"lazy_quotes,omitzero"`
	TrimSpace    bool     `json:"trim_leading_space,omitzero"`
	HeaderInFile bool     `json:"header_in_file"`
	Header       []string `json:"header,omitzero"`
	PadShort     bool     `json:"pad_short,omitzero"`
	Null         []string `json:"null,omitzero"`
	Columns      []string `json:"columns,omitzero"`
}

func (s *csvOptions) fingerprint() *csvFingerprint {
	text := func(r rune) string {
		if r == 0 {
			return ""
		}
		return string(r)
	}
	d := s.dialect
	return &csvFingerprint{
		Comma: text(d.Comma), Quote: text(rune(d.Quote)), Comment: text(d.Comment), LazyQuotes: d.Lazy, TrimSpace: d.Trim,
		HeaderInFile: s.names == nil && !s.noHeader, Header: s.names, PadShort: s.pad, Null: s.null, Columns: s.columns,
	}
}

// Fingerprint implements stage.Resumable: it looks at the ends of every file.
func (f *files) Fingerprint(ctx context.Context) (json.RawMessage, error) {
	all := filesFingerprint{
		Files:   make(map[string]fileFingerprint, len(f.inputs)),
		Records: recordsFingerprint{MaxRecord: f.opts.maxRecord, Validate: f.opts.validate, CSV: f.csv},
	}
	times := make(map[string]int)
	for _, in := range f.inputs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if in.Path == stdin {
			return nil, &Error{File: stdinName, Err: noResume("standard input cannot be read again")}
		}
		file, err := fingerprintOf(in)
		if err != nil {
			return nil, &Error{File: in.Path, Err: pathless(err)}
		}
		times[in.Path]++
		all.Files[identity.Key(in.Path, times[in.Path])] = file
	}
	return json.Marshal(all)
}

func fingerprintOf(in FileSection) (f fileFingerprint, err error) {
	file, info, err := openRegular(in.Path)
	if err == errNotSplit {
		return f, noResume("it is no regular file, and cannot be read again")
	}
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	f = fileFingerprint{From: in.From, To: in.To}
	if f.File, err = identity.Of(file, info.Size(), in.Part); err == nil {
		f.Compression, err = codec.FormatOf(file, info.Size())
	}
	return f, err
}

// resuming is where in its first file a run that goes on begins.
type resuming struct {
	at      stage.Position
	pending bool // it was not gone to yet
}

// Seek implements stage.Resumable. In a plain file it goes to the byte, in one of
// many zstd frames to the frame that holds it; in others, what comes before is
// decompressed and dropped.
func (f *files) Seek(_ context.Context, at stage.Position, first int64) error {
	if at == (stage.Position{}) && first == 0 {
		return nil
	}
	if at.Record < 0 || first < at.Record || at.Offset < 0 || at.Offset == 0 && at.Record > 0 {
		return placeError(at, first, "its numbers do not fit together")
	}
	for i, in := range f.inputs {
		switch {
		case in.Part != at.Part:
			continue
		case at.Key != "" && at.Key != in.Path:
			return placeError(at, first, fmt.Sprintf("input %d is %s", at.Part, in.Path))
		case in.To > 0 && at.Offset > max(in.To, int64(len(bom))) || at.Offset < in.From:
			return placeError(at, first, fmt.Sprintf("the section is from byte %d to byte %d", in.From, in.To))
		}
		f.input = i
		f.tally.Begin(first, at.Part, at.Record)
		f.resume = resuming{at: at, pending: at.Offset > 0}
		return nil
	}
	return placeError(at, first, fmt.Sprintf("there is no input %d", at.Part))
}

// bom is the byte order mark.
const bom = "\ufeff"

// goTo goes to the place where a run that goes on begins, in the file that is
// open, whose header was read. It can be called again when its context ended.
func (f *files) goTo(ctx context.Context) error {
	at := f.resume.at
	err := f.learnBefore(ctx, at.Offset)
	var src io.Reader
	if err == nil {
		src, err = f.readFrom(ctx, at.Offset-1) // what is before a record tells that it begins there
	}
	var seam [2]byte
	if err == nil {
		if _, err = io.ReadFull(src, seam[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the file ends before the record to go on with: %w", io.ErrUnexpectedEOF)
		}
	}
	if err == nil {
		f.reader.Reset(func(_ context.Context, p []byte) (int, error) { return src.Read(p) }, false)
		err = f.reader.Resume(at.Offset, seam, at.Record == 0)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{File: f.name(), Record: at.Record + 1, Byte: at.Offset, Err: pathless(err)}
	}
	if to := f.inputs[f.input].To; to > 0 {
		f.reader.Until(to)
	}
	f.resume.pending, f.before = false, false
	return nil
}

// learnBefore looks at the records before a place for what the others depend on.
func (f *files) learnBefore(ctx context.Context, offset int64) error {
	if f.learn == nil {
		return nil
	}
	f.reader.Until(offset - 1)
	for {
		b, err := f.reader.Next(ctx, defaultBlockSize, 0)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if f.learn(int32(f.part), b.Data) {
			return nil
		}
		f.memory.Free(b.Data)
	}
}

// readFrom reads the file that is open from a byte of its decompressed data on.
func (f *files) readFrom(ctx context.Context, offset int64) (io.Reader, error) {
	starts, anywhere, err := codec.Boundaries(ctx, f.file, f.stored)
	if err != nil {
		return nil, err
	}
	if anywhere {
		_, err := f.file.Seek(offset, io.SeekStart)
		return f.file, err
	}
	start := starts[max(0, sort.Search(len(starts), func(i int) bool { return starts[i].Offset > offset })-1)]
	if _, err := f.file.Seek(start.At, io.SeekStart); err != nil {
		return nil, err
	}
	f.body.Close()
	f.body = codec.NewReader(f.file, f.paths[f.part], f.limits, runtime.GOMAXPROCS(0))
	return f.body, drop(ctx, f.body, offset-start.Offset)
}

// drop reads n bytes for nothing. That there are fewer is for who reads on.
func drop(ctx context.Context, src io.Reader, n int64) error {
	buf := make([]byte, min(n, maxBlockSize))
	for n > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k, err := src.Read(buf[:min(n, int64(len(buf)))])
		n -= int64(k)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	toparquet "github.com/penstock-go/penstock/sink/parquet"
	"github.com/penstock-go/penstock/source"
	fromparquet "github.com/penstock-go/penstock/source/parquet"
	"github.com/penstock-go/penstock/stage"
)

// job is what the arguments ask for.
type job struct {
	in, files   []string // as they were given, and which files these are
	out         string
	from, to    format
	compression string // of the output: "", ".gz" or ".zst"
	workers     int    // 0: one for each processor
	chunk       int    // 0: automatic
	unordered   bool
	level       int    // 0: the compression's own
	maxSize     int64  // bytes of a file; 0: one file
	by          string // a column: a folder for each of its values
	rowGroup    int64  // bytes; 0: the sink's own
	skipBad     int    // bad rows that are left out before the run fails
}

// result is what a run did. It is complete as far as the run came, also when the
// run failed.
type result struct {
	read, failed int64
	bad          []string // what was wrong with the first bad rows
	enough       bool     // whoever reads standard output went away
	inBytes      int64
	outBytes     int64
	outFiles     int
	elapsed      time.Duration
	kept         bool // the output is there
}

// run converts. rows counts those that are about to be written, for the progress.
func (j *job) run(ctx context.Context, rows *atomic.Int64) (res result, err error) {
	start := time.Now()
	if res.inBytes, err = sizes(j.files); err != nil {
		return res, err
	}
	before, err := j.outputs()
	if err != nil {
		return res, err
	}
	p := pool.New(j.workers)
	defer p.Close()
	sum, err := j.convert(ctx, p, rows, &res)
	res.read, res.failed, res.enough = sum.Read, sum.Failed, sum.Enough
	res.elapsed = time.Since(start)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // the reason for all that fails
		}
		return res, err
	}
	res.kept = true
	after, err := j.outputs()
	for path, info := range after {
		if old, ok := before[path]; !ok || !os.SameFile(old, info) {
			res.outBytes += info.Size()
			res.outFiles++
		}
	}
	return res, err
}

// convert is the pipeline. Text is formatted in the workers, and the sink gets
// blocks of it. Parquet, and what goes to many files, is encoded by the sink.
func (j *job) convert(ctx context.Context, p *pool.Pool, rows *atomic.Int64, res *result) (stage.Summary, error) {
	flights := j.source()
	policy := j.policy(res)
	options := []pool.Option{pool.Name("convert"), pool.ChunkSize(j.chunk)}
	if j.unordered {
		options = append(options, pool.Unordered())
	}
	if j.to != parquet && j.by == "" {
		enc := j.encoder(rows)
		return stage.Run(ctx, pool.Encode(p, flights, enc, options...), sink.File(j.out, j.fileOptions()...), policy)
	}
	// The workers do what the source left to them: finding rows and decoding them.
	decoded := pool.Imap(p, flights, stage.Pure(func(f Flight) Flight { return f }), options...).
		Tap(func(Flight) { rows.Add(1) })
	if j.to == parquet {
		return stage.Run(ctx, decoded, toparquet.Sink[Flight](j.out, toparquet.RowGroupBytes(j.rowGroup)), policy)
	}
	name := "part." + string(j.to) + j.compression
	parts := sink.Partitioned(j.out, name, j.encoder(nil), sink.By(j.by, columns[j.by]), j.fileOptions()...)
	return stage.Run(ctx, decoded, parts, policy)
}

// source reads the files. None of it decodes here: that is for the workers.
func (j *job) source() stage.Stream[Flight] {
	first, more := j.files[0], j.files[1:]
	switch j.from {
	case tsv:
		return source.CSV[Flight](first, source.Paths(more...), source.Comma('\t'))
	case ndjson:
		return source.NDJSON[Flight](first, source.Paths(more...))
	case json:
		return source.JSON[Flight](first, source.Paths(more...))
	case parquet:
		return fromparquet.Source[Flight](first, fromparquet.Paths(more...))
	default:
		return source.CSV[Flight](first, source.Paths(more...))
	}
}

// encoder formats text. rows, if not nil, counts what it has formatted.
func (j *job) encoder(rows *atomic.Int64) stage.Encoder[Flight] {
	enc := sink.CSVEncoder[Flight]()
	if j.to == ndjson {
		enc = sink.NDJSONEncoder[Flight]()
	}
	format, ok := enc.(stage.Format)
	if rows == nil || !ok {
		return enc
	}
	return counted{enc, format, rows}
}

// counted is an encoder that counts.
type counted struct {
	stage.Encoder[Flight]
	stage.Format
	rows *atomic.Int64
}

// Encode implements stage.Encoder.
func (e counted) Encode(dst []byte, c *stage.Chunk[Flight]) ([]byte, error) {
	out, err := e.Encoder.Encode(dst, c)
	if err == nil {
		e.rows.Add(int64(len(c.Items)))
	}
	return out, err
}

// columns are those that -by can name.
var columns = map[string]func(Flight) string{
	"origin":      func(f Flight) string { return f.Origin },
	"destination": func(f Flight) string { return f.Destination },
}

func (j *job) fileOptions() []sink.FileOption {
	return []sink.FileOption{sink.Level(j.level), sink.MaxBytes(j.maxSize)}
}

// told is how many bad rows are told of one by one.
const told = 20

// policy is what becomes of bad rows: the first one fails the run, or some are
// noted and left out.
func (j *job) policy(res *result) stage.RunOption {
	if j.skipBad == 0 {
		return stage.Stop()
	}
	note := sink.Func(func(_ context.Context, l stage.Letter) error {
		if len(res.bad) < told {
			res.bad = append(res.bad, fmt.Sprintf("%s: record %d, byte %d: %s", l.At.Key, l.At.Record+1, l.At.Offset, l.Reason))
		}
		return nil
	})
	return stage.DeadLetter(note, j.skipBad)
}

// remains is what a run that failed has to say of its work.
func (r *result) remains(j *job) string {
	left := "none was kept, " + j.out + " is as it was"
	switch {
	case r.kept && j.out != standard:
		left = j.out + " has them all"
	case j.out == standard:
		left = "some may be on standard output"
	}
	return fmt.Sprintf("rows read %d, bad %d; %s", r.read, r.failed, left)
}

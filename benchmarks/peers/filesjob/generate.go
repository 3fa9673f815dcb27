package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/penstock-go/penstock/source"
)

// frameBytes is how much a frame of the file of many frames holds.
const frameBytes = 4 << 20

// generate writes the inputs of the suite into the folder that is the output. Its
// arguments are the file of flights; how many rows of it are taken (0: all); how
// often they are repeated; how many rows of NDJSON there are; how often the rows are
// repeated in the file for SQLite; and how many lines there are to sort.
func generate(ctx context.Context, t task) error {
	var n [5]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(t.in[i+1]); err != nil {
			return err
		}
	}
	header, rows, err := flightRows(ctx, t.in[0], n[0])
	if err != nil {
		return err
	}
	text := append(bytes.Join(rows, []byte("\n")), '\n')
	repeat := func(text []byte, times int) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, err := w.Write(header); err != nil {
				return err
			}
			for range times {
				if _, err := w.Write(text); err != nil {
					return err
				}
			}
			return nil
		}
	}
	plain := repeat(text, n[1])
	for name, write := range map[string]func(io.Writer) error{
		"flights.csv":     plain,
		"small.csv":       repeat(text, n[3]),
		"quoted.csv":      repeat(quoted(rows), n[1]),
		"flights.csv.zst": func(w io.Writer) error { return oneFrame(w, plain) },
		"frames.csv.zst":  func(w io.Writer) error { return manyFrames(w, plain) },
		"flights.csv.gz":  func(w io.Writer) error { return gzipped(w, plain) },
		"flights.ndjson":  func(w io.Writer) error { return ndjson(w, rows, n[2]) },
		"numbers.txt":     func(w io.Writer) error { return numbers(w, n[4]) },
	} {
		if err := writeFile(filepath.Join(t.out, name), write); err != nil {
			return err
		}
	}
	return nil
}

// flightRows are the header, with its line end, and the rows without theirs.
func flightRows(ctx context.Context, path string, most int) (header []byte, rows [][]byte, err error) {
	for line, err := range source.Lines(path).All(ctx) {
		switch {
		case err != nil:
			return nil, nil, err
		case header == nil:
			header = append([]byte(line), '\n')
		case most > 0 && len(rows) == most:
			return header, rows, nil
		default:
			rows = append(rows, []byte(line))
		}
	}
	return header, rows, nil
}

// quoted has the two airports of every row in quotes.
func quoted(rows [][]byte) []byte {
	var b bytes.Buffer
	for _, row := range rows {
		f := bytes.Split(row, []byte(","))
		fmt.Fprintf(&b, "%s,%s,%s,\"%s\",\"%s\"\n", f[0], f[1], f[2], f[3], f[4])
	}
	return b.Bytes()
}

func ndjson(w io.Writer, rows [][]byte, most int) error {
	for i := range most {
		f := bytes.Split(rows[i%len(rows)], []byte(","))
		_, err := fmt.Fprintf(w, `{"date":"%s","delay":%s,"distance":%s,"origin":"%s","destination":"%s"}`+"\n",
			f[0], f[1], f[2], f[3], f[4])
		if err != nil {
			return err
		}
	}
	return nil
}

// numbers writes lines of numbers of up to 19 digits in no order, the same each time.
func numbers(w io.Writer, n int) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	var line []byte
	for range n {
		line = append(strconv.AppendInt(line[:0], random.Int64(), 10), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func oneFrame(w io.Writer, write func(io.Writer) error) error {
	z, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	return errors.Join(write(z), z.Close())
}

func gzipped(w io.Writer, write func(io.Writer) error) error {
	z := pgzip.NewWriter(w)
	return errors.Join(write(z), z.Close())
}

// manyFrames writes a frame for every so many bytes, wherever these end.
func manyFrames(w io.Writer, write func(io.Writer) error) error {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	f := &framer{w: w, z: z}
	return errors.Join(write(f), f.flush(), z.Close())
}

type framer struct {
	w       io.Writer
	z       *zstd.Encoder
	in, out []byte
}

func (f *framer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), frameBytes-len(f.in))
		f.in = append(f.in, p[:k]...)
		p = p[k:]
		if len(f.in) == frameBytes {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (f *framer) flush() error {
	if len(f.in) == 0 {
		return nil
	}
	f.out = f.z.EncodeAll(f.in, f.out[:0])
	f.in = f.in[:0]
	_, err := f.w.Write(f.out)
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	return errors.Join(write(w), w.Flush(), file.Close())
}

package sink

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/penstock-go/penstock/internal/atomicfile"
	"github.com/penstock-go/penstock/internal/codec"
)

// FileOption is a setting of a sink that writes files: [Level], [Compressors] and
// [MaxBytes] of all of them, [MaxOpen] and [MaxPartitions] of [Partitioned]. The
// interface is sealed.
type FileOption interface{ setFile(*fileOptions) }

type fileOption func(*fileOptions)

func (o fileOption) setFile(s *fileOptions) { o(s) }

// fileOptions are what the options of a sink add up to.
type fileOptions struct {
	codec         codec.WriterOptions
	maxBytes      int64
	appends       bool
	maxOpen       int
	maxPartitions int
	partition     string           // an option of Partitioned that was given
	fault         atomicfile.Fault // of tests
	without       lack             // of tests
}

func notNegative[N int | int64](what string, n N) {
	if n < 0 {
		panic(fmt.Sprintf("penstock: sink.%s is %d, want 0 or more", what, n))
	}
}

// Level is how hard to compress, counted as the commands do: 1 to 9 for gzip, 1 to
// 22 for zstd. The default, and what 0 means, is 6 or so for gzip and 3 for zstd.
// It changes nothing for a file that is not compressed. Level panics if n is
// negative; the sink panics if n is more than its compression has.
func Level(n int) FileOption {
	notNegative("Level: n", n)
	return fileOption(func(o *fileOptions) { o.codec.Level = n })
}

// Compressors is how many goroutines compress a file, beside the one that writes
// to the sink. The default, and what 0 means, is GOMAXPROCS, at most 8. A zstd
// file keeps two or three of them busy. What is written does not depend on it.
// Compressors panics if n is negative.
func Compressors(n int) FileOption {
	notNegative("Compressors: n", n)
	return fileOption(func(o *fileOptions) { o.codec.Workers = n })
}

// Append adds to the file, which is made if there is none, instead of replacing it.
// Its header is written where it is new or empty; what is compressed is added as
// another gzip member or zstd frame. A run that fails cuts the file back to what it
// was; one with a checkpoint, to what the checkpoint speaks of, when the next run
// goes on. Who reads meanwhile sees what is written. Append does not go with
// MaxBytes, [Partitioned] or standard output: the sink panics.
func Append() FileOption { return fileOption(func(o *fileOptions) { o.appends = true }) }

// MaxBytes splits the output: a file is complete with the record with which it
// reaches n bytes, counted before compression and with its header, and the next
// record begins another. Every file has its header and whole records. The files
// are numbered from 1, in front of the extension: part-00001.csv.gz and so on for
// the path part.csv.gz. They become visible together, when the run has succeeded,
// or, in a run with a checkpoint, as they become complete; see the package's
// documentation. A checkpoint's state then grows with the files that were completed
// since the one before. Without items there is one file. The default,
// and what 0 means, is one file of any size at the path itself.
//
// MaxBytes panics if n is negative; the sink panics if its path is "-".
func MaxBytes(n int64) FileOption {
	notNegative("MaxBytes: n", n)
	return fileOption(func(o *fileOptions) { o.maxBytes = n })
}

// newFileOptions adds up the options of a sink.
func newFileOptions(verb, path string, opts []FileOption) (o fileOptions) {
	for i, opt := range opts {
		if opt == nil {
			panic(fmt.Sprintf("penstock: sink.%s: option %d is nil", verb, i))
		}
		opt.setFile(&o)
	}
	most := codec.MaxLevel(path)
	switch {
	case path == "":
		panic("penstock: sink." + verb + ": path is empty")
	case most > 0 && o.codec.Level > most:
		panic(fmt.Sprintf("penstock: sink.%s: Level(%d) is more than %d, the highest of %s", verb, o.codec.Level, most, path))
	case o.partition != "" && verb != "Partitioned":
		panic("penstock: sink." + verb + ": " + o.partition + " is an option of Partitioned")
	case path == stdout && o.maxBytes > 0:
		panic("penstock: sink." + verb + ": MaxBytes does not go with standard output")
	case o.appends && (path == stdout || o.maxBytes > 0 || verb == "Partitioned"):
		panic("penstock: sink." + verb + ": Append does not go with MaxBytes, Partitioned or standard output")
	}
	return o
}

// partNames are the names of the files that a path is split into.
type partNames struct{ stem, ext string }

// partsOf takes the name of a file apart, so that a number can come between.
func partsOf(base string) partNames {
	ext := filepath.Ext(base)
	if codec.MaxLevel(base) > 0 {
		ext = filepath.Ext(strings.TrimSuffix(base, ext)) + ext
	}
	if len(ext) == len(base) { // a name like .csv
		ext = ""
	}
	return partNames{stem: strings.TrimSuffix(base, ext), ext: ext}
}

// name is the name of the file with a number.
func (p partNames) name(n int) string { return fmt.Sprintf("%s-%05d%s", p.stem, n, p.ext) }

// pattern stands for all of them.
func (p partNames) pattern() string { return p.stem + "-*" + p.ext }

// has tells whether a file's name is one of these.
func (p partNames) has(name string) bool {
	number, ok := strings.CutPrefix(name, p.stem+"-")
	if ok {
		number, ok = strings.CutSuffix(number, p.ext)
	}
	return ok && len(number) >= 5 && strings.Trim(number, "0123456789") == ""
}

package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/internal/blocks"
)

const defaultMaxRecord = 16 << 20

// Option is a setting of a source of files, or of a live one.
type Option interface{ set(*options) }

// options are the settings of a source of files.
type options struct {
	paths     []string
	maxRecord int
	blockSize int // 0: automatic
	unpack    decompression
	section   Section // nil: the paths
	csv       csvOptions
	validate  bool
	decode    func(line []byte, into any) error
	live      liveOptions
}

type option struct {
	name string
	fn   func(*options)
	only []string // the verbs that it is for, nil: all of files that do not grow
	also []string // further verbs
}

func (o option) set(s *options) { o.fn(s) }

// settings applies the options. It panics on one that the verb does not have.
func settings(verb, path string, opts []Option) *options {
	s := &options{paths: []string{path}, maxRecord: defaultMaxRecord}
	s.csv.dialect.Comma, s.csv.dialect.Quote = ',', '"'
	for _, opt := range opts {
		o, ok := opt.(option)
		if !ok {
			panic("penstock: source." + verb + ": an option is nil")
		}
		if o.only != nil && !slices.Contains(o.only, verb) {
			panic("penstock: source." + verb + ": " + o.name + " is an option of " + strings.Join(o.only, ", ") + " only")
		}
		if o.only == nil && slices.Contains(liveVerbs, verb) && !slices.Contains(o.also, verb) {
			panic("penstock: source." + verb + ": " + o.name + " is no option of a live source")
		}
		o.set(s)
	}
	return s
}

// Paths adds further files, patterns or "-" to be read after those before.
func Paths(more ...string) Option {
	more = slices.Clone(more)
	return option{name: "Paths", fn: func(s *options) { s.paths = append(s.paths, more...) }}
}

// MaxRecord is how many bytes a line or record may have, the newline that ends
// it not counted. A longer one is an item error with cause [ErrTooLong], and is
// never held in memory as a whole. The default, and what 0 means, is 16 MiB.
// MaxRecord panics if bytes is negative or more than 1 GiB.
func MaxRecord(bytes int) Option {
	bytes = size("MaxRecord", bytes, defaultMaxRecord)
	return option{name: "MaxRecord", also: followVerbs, fn: func(s *options) { s.maxRecord = bytes }}
}

// BlockSize fixes about how many bytes are taken from a file at a time: a block
// is as many whole records as fit, and at least one. The default, and what 0
// means, is automatic: about as many bytes as whoever pulls asks for, a power of
// two up to 256 KiB that does not shrink at once (a pool asks for what takes its
// workers a few hundred microseconds), and 64 KiB if it does not say. Either way a
// block has no more records than were asked for where only records were: the first
// blocks of a pool's call, and all of them with a budget of items. BlockSize panics
// if bytes is negative or more than 1 GiB.
func BlockSize(bytes int) Option {
	bytes = size("BlockSize", bytes, 0)
	return option{name: "BlockSize", also: followVerbs, fn: func(s *options) { s.blockSize = bytes }}
}

// size checks a number of bytes.
func size(name string, bytes, def int) int {
	switch {
	case bytes < 0 || bytes > blocks.MaxSize:
		panic(fmt.Sprintf("penstock: source.%s: bytes is %d, want 0 to %d", name, bytes, blocks.MaxSize))
	case bytes == 0:
		return def
	}
	return bytes
}

// Decoder is the function with which an [NDJSON] source decodes a line, and a
// [JSON] source an element; the
// default is Unmarshal of github.com/go-json-experiment/json. into is a pointer
// to the zero value of an item. The function must not change line; what it
// decodes may refer to it. It is called by several goroutines at once. Decoder
// panics if decode is nil.
func Decoder(decode func(line []byte, into any) error) Option {
	notNil(decode == nil, "Decoder: decode")
	return option{name: "Decoder", only: []string{"NDJSON", "JSON"}, fn: func(s *options) { s.decode = decode }}
}

// detail is what a plan says of the files.
func (s *options) detail() string { return strings.Join(s.paths, ", ") }

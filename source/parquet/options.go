package parquet

import (
	"fmt"
	"slices"
	"strings"
)

const (
	defaultMaxPage = 256 << 20
	largestMaxPage = 1 << 30
)

// Option is a setting of a [Source].
type Option interface{ set(*options) }

type options struct {
	paths   []string
	maxPage int64
	ranges  []between
}

type option func(*options)

func (o option) set(s *options) { o(s) }

// settings applies the options.
func settings(path string, opts []Option) *options {
	s := &options{paths: []string{path}, maxPage: defaultMaxPage}
	for _, opt := range opts {
		if opt == nil {
			panic("penstock: parquet.Source: an option is nil")
		}
		opt.set(s)
	}
	return s
}

// Paths adds further files or patterns to be read after those before.
func Paths(more ...string) Option {
	more = slices.Clone(more)
	return option(func(s *options) { s.paths = append(s.paths, more...) })
}

// MaxPage is how many bytes a page of a column may have, as it is in the file and
// decompressed: a page is the least that can be decoded, so this bounds what one
// costs in memory, whatever a damaged or hostile file claims. A larger one is an
// error with cause [ErrTooLarge]. The default, and what 0 means, is 256 MiB; pages
// are commonly of 1 MiB or less. MaxPage panics if bytes is negative or more than
// 1 GiB.
func MaxPage(bytes int) Option {
	switch {
	case bytes < 0 || bytes > largestMaxPage:
		panic(fmt.Sprintf("penstock: parquet.MaxPage: bytes is %d, want 0 to %d", bytes, largestMaxPage))
	case bytes == 0:
		bytes = defaultMaxPage
	}
	return option(func(s *options) { s.maxPage = int64(bytes) })
}

// detail is what a plan says of the source.
func (s *options) detail() string {
	parts := slices.Clone(s.paths)
	for _, r := range s.ranges {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}

package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// Page is an item whose size its Go type does not tell.
type Page struct {
	URL  string
	Body []byte
}

func pages() []Page {
	return []Page{{"/", make([]byte, 200<<10)}, {"/film", make([]byte, 3<<20)}, {"/about", make([]byte, 90<<10)}}
}

// At most about a mebibyte of pages is held at a time; the film, which is
// larger than that, goes through alone.
func ExampleInFlightBytes() {
	titles := pool.Imap(nil, source.Slice(pages()), func(_ context.Context, p Page) (string, error) {
		return fmt.Sprintf("%s has %d KiB", p.URL, len(p.Body)>>10), nil
	}, pool.InFlightBytes(1<<20), pool.SizeOf(func(p Page) int { return len(p.URL) + len(p.Body) }))
	for title, err := range titles.All(context.Background()) {
		fmt.Println(title, err)
	}
	// Output:
	// / has 200 KiB <nil>
	// /film has 3072 KiB <nil>
	// /about has 90 KiB <nil>
}

// Inputs and outputs may each have a size: an input counts until its output
// does.
func ExampleSizeOf() {
	type digest struct{ words []string }
	digests := pool.Imap(nil, source.Slice(pages()), func(_ context.Context, p Page) (digest, error) {
		return digest{words: []string{p.URL}}, nil
	},
		pool.InFlightBytes(1<<20),
		pool.SizeOf(func(p Page) int { return len(p.Body) }),
		pool.SizeOf(func(d digest) int { return 16 * len(d.words) }))
	fmt.Println(digests.Collect(context.Background()))
	// Output: [{[/]} {[/film]} {[/about]}] <nil>
}

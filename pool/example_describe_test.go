package pool_test

import (
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// A plan says what runs in workers and what in a single goroutine.
func Example_describe() {
	p := pool.New(4)
	defer p.Close()

	lines := stage.Map(source.Lines("testdata/access.log"), stage.Pure(strings.TrimSpace))
	requests := pool.Imap(p, lines, parse, pool.Name("parse"))
	fmt.Print(requests.Filter(func(r Request) bool { return r.Status == 404 }).Named("missing").Describe())
	// Output:
	// Filter "missing"  serial, in the consumer
	// └─ Imap "parse"   workers (4 workers, ordered, automatic chunks)
	//    └─ Map         serial, under the pull lock of Imap "parse"
	//       └─ Lines    source (testdata/access.log), under the pull lock of Imap "parse"
}

package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Request is a line of testdata/access.log.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Bytes  int    `json:"bytes"`
}

func parse(_ context.Context, line string) (r Request, err error) {
	_, err = fmt.Sscan(line, &r.Method, &r.Path, &r.Status, &r.Bytes)
	return r, err
}

// A file is read, its lines are parsed by four workers, and the requests that
// were answered go to standard output, in the order of the file.
func Example() {
	p := pool.New(4)
	defer p.Close()

	requests := pool.Imap(p, source.Lines("testdata/access.log"), parse)
	served := requests.Filter(func(r Request) bool { return r.Bytes > 0 })
	sum, err := stage.Run(context.Background(), served, sink.NDJSON[Request]("-"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("read", sum.Read, "written", sum.Written)
	// Output:
	// {"method":"GET","path":"/index.html","status":200,"bytes":5120}
	// {"method":"GET","path":"/logo.svg","status":200,"bytes":1834}
	// {"method":"GET","path":"/missing","status":404,"bytes":312}
	// read 4 written 3
}

func ExamplePool_Workers() {
	fmt.Println(pool.New(4).Workers())
	// Output: 4
}

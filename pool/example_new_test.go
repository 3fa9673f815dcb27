package pool_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// Options of New are the defaults of the pool's calls; a call's own win.
func ExampleNew() {
	p := pool.New(8, pool.InFlight(256), pool.Name("import"))
	defer p.Close()

	in := source.Of("1", "x")
	_, err := pool.Imap(p, in, stage.Try(strconv.Atoi)).Collect(context.Background())
	fmt.Println(err)
	_, err = pool.Imap(p, in, stage.Try(strconv.Atoi), pool.Name("second import")).Collect(context.Background())
	fmt.Println(err)
	// Output:
	// import: item 1: strconv.Atoi: parsing "x": invalid syntax
	// second import: item 1: strconv.Atoi: parsing "x": invalid syntax
}

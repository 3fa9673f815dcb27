package pool_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func ExampleName() {
	ports := pool.Imap(nil, source.Of("80", "https"), stage.Try(strconv.Atoi), pool.Name("parse port"))
	_, err := ports.Collect(context.Background())
	fmt.Println(err)
	// Output: parse port: item 1: strconv.Atoi: parsing "https": invalid syntax
}

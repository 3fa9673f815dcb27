package pool_test

import (
	"context"
	"fmt"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

func ExampleImapUnordered() {
	p := pool.New(2)
	defer p.Close()

	// The slow host answers only when the quick one's answer is there.
	answered := make(chan struct{})
	ping := func(_ context.Context, host string) (string, error) {
		if host == "slow.example" {
			<-answered
		}
		return host + " is up", nil
	}
	hosts := source.Of("slow.example", "quick.example")
	for line, err := range pool.ImapUnordered(p, hosts, ping, pool.ChunkSize(1)).All(context.Background()) {
		fmt.Println(line, err)
		if line == "quick.example is up" {
			close(answered)
		}
	}
	// Output:
	// quick.example is up <nil>
	// slow.example is up <nil>
}

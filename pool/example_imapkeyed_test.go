package pool_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

// The events of an account are applied one after the other, in their order, so
// that its balance needs no lock; those of different accounts at the same time.
func ExampleImapKeyed() {
	type event struct {
		account string
		amount  int
	}
	events := source.Of(
		event{"ann", 50}, event{"bob", 20}, event{"ann", -30}, event{"bob", 5}, event{"ann", -40},
	)
	balance := map[string]*int{"ann": new(int), "bob": new(int)}
	apply := func(_ context.Context, e event) (string, error) {
		b := balance[e.account]
		if *b+e.amount < 0 {
			return "", fmt.Errorf("%s has only %d", e.account, *b)
		}
		*b += e.amount
		return fmt.Sprintf("%s %d", e.account, *b), nil
	}
	p := pool.New(4)
	defer p.Close()
	applied := pool.ImapKeyed(p, events, func(e event) string { return e.account }, apply)
	for line, err := range applied.All(context.Background()) {
		switch {
		case err != nil:
			fmt.Println(err)
		case strings.HasPrefix(line, "ann"): // bob's come in between somewhere
			fmt.Println(line)
		}
	}
	// Output:
	// ann 50
	// ann 20
	// ImapKeyed: item 4: ann has only 20
}

// A key that is slow may fill the budget with its items; with a share for each key
// it stops the pulling sooner, and leaves the rest of the budget to the others.
func ExampleInFlightPerKey() {
	p := pool.New(4)
	defer p.Close()
	word := func(s string) string { return s[:1] }
	upper := func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }
	in := source.Of("a1", "b1", "a2", "a3", "b2")
	n := 0
	for _, err := range pool.ImapKeyed(p, in, word, upper, pool.InFlight(1000), pool.InFlightPerKey(2)).All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(n, "of at most 2 with a letter at a time")
	// Output:
	// 5 of at most 2 with a letter at a time
}

// Quickstart writes the primes below a million to a compressed file.
package main

import (
	"context"
	"log"
	"math/big"
	"strconv"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func main() {
	numbers := source.Range(1, 1_000_000)
	primes := pool.FilterMap(nil, numbers, func(_ context.Context, n int) (string, bool, error) {
		return strconv.Itoa(n), big.NewInt(int64(n)).ProbablyPrime(0), nil
	})
	sum, err := stage.Run(context.Background(), primes, sink.Lines("primes.txt.gz"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%d primes", sum.Written)
}

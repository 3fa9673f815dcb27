package stage_test

import (
	"strings"

	"github.com/penstock-go/penstock/stage"
)

func ExampleWindow() {
	show(stage.Window(of(1, 2, 3, 4, 5, 6), 3, 2))
	// Output:
	// [1 2 3]
	// [3 4 5]
	// [5 6]
}

func ExamplePairwise() {
	show(stage.Pairwise(of(1, 4, 9)))
	// Output:
	// {1 4}
	// {4 9}
}

func ExampleChunked() {
	lines := of("GET /", " at main.go:7", " at net.go:3", "GET /x", "PUT /y", " at put.go:1")
	show(stage.Chunked(lines, 100, func(_, next string) bool { return !strings.HasPrefix(next, " ") }))
	// Output:
	// [GET /  at main.go:7  at net.go:3]
	// [GET /x]
	// [PUT /y  at put.go:1]
}

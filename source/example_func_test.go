package source_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-go/penstock/source"
)

func ExampleFunc() {
	in := bufio.NewScanner(strings.NewReader("one\ntwo\nthree"))
	words := source.Func(func(context.Context) (string, error) {
		if in.Scan() {
			return in.Text(), nil
		}
		if err := in.Err(); err != nil {
			return "", err // ends the stream with this error
		}
		return "", io.EOF // ends the stream
	})
	got, err := words.Collect(context.Background())
	fmt.Println(got, err)
	// Output: [one two three] <nil>
}

//go:build unix

package sink

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// endless is a source of lines.
func endless() stage.Stream[string] {
	return stage.New("endless", func(context.Context) (stage.Puller[string], error) { return endlessPuller{}, nil })
}

type endlessPuller struct{}

func (endlessPuller) Pull(_ context.Context, into *stage.Chunk[string], max stage.Limit) error {
	into.Reset()
	for range max.Room() {
		into.Items = append(into.Items, "a line that is not short")
	}
	return nil
}

func (endlessPuller) Close() error { return nil }

// TestHead is the program whose output TestBrokenPipe reads: it is run in a process
// of its own, where standard output is a pipe.
func TestHead(t *testing.T) {
	if os.Getenv("PENSTOCK_TEST_HEAD") == "" {
		return
	}
	sum, err := stage.Run(t.Context(), endless(), Lines("-"))
	fmt.Fprintln(os.Stderr, "err", err, "enough", sum.Enough, "written", sum.Written > 0)
}

// What writes to a pipe that nobody reads any more ends without an error, and is
// not ended by a signal.
func TestBrokenPipe(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHead$")
	cmd.Env = append(os.Environ(), "PENSTOCK_TEST_HEAD=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "a line that is not short\n", line)
	require.NoError(t, out.Close())
	// What the test's own framework prints afterwards may meet the broken pipe.
	_ = cmd.Wait()
	assert.Equal(t, "err <nil> enough true written true\n", stderr.String())
}

// The pipe may be broken before anything is written.
func TestPipeIsBrokenFromTheStart(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	was := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = was }()
	require.NoError(t, r.Close())
	for _, items := range [][]product{nil, {{ID: 1}}} {
		out := open(t, CSV[product]("-")) // the header goes nowhere
		if len(items) > 0 {
			require.ErrorIs(t, out.Write(t.Context(), &stage.Chunk[product]{Items: items}), stage.ErrEnough)
		}
		require.NoError(t, out.Close(t.Context(), nil))
	}
	require.NoError(t, w.Close())
}

package letters

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFile(t *testing.T) {
	for out, want := range map[string]string{
		"x.db": "x-rejected.ndjson", "a.b/x": "a.b/x-rejected.ndjson", "x.parquet.old": "x.parquet-rejected.ndjson",
	} {
		assert.Equal(t, want, File(out))
	}
}

func TestSink(t *testing.T) {
	type row struct {
		N int `csv:"n"`
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("in.csv", []byte("n\n1\nx\n3\n1,2\n"), 0o600))
	odd := stage.Map(source.CSV[row]("in.csv"), func(_ context.Context, r row) (row, error) {
		if r.N == 3 {
			return r, errors.New("it is three")
		}
		return r, nil
	})
	text := func(r row) string { return strconv.Itoa(r.N) }
	_, err := stage.Run(t.Context(), odd, sink.Discard[row](), stage.DeadLetter(Sink("out.ndjson", text), 0))
	require.NoError(t, err)
	got, err := source.NDJSON[Rejected]("out.ndjson").Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Rejected{
		{"in.csv", 3, 4, `column "n": "x" does not fit int`, "x"},
		{"in.csv", 4, 6, "it is three", "3"},
		{"in.csv", 5, 8, "wrong number of fields: 2, want 1", "1,2"},
	}, got)

	_, err = stage.Run(t.Context(), odd, sink.Discard[row](), stage.DeadLetter(Sink(filepath.Join("none", "x"), text), 0))
	assert.ErrorContains(t, err, "no such file")
}

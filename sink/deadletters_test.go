package sink

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

func TestDeadLetters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "failed.ndjson")
	letters := []stage.Letter{
		{Stage: "parse", Index: 41, At: stage.Position{Offset: 900, Record: 41, Key: "in.csv"}, Input: "1,x", Reason: "bad", Err: errors.New("bad")},
		{Stage: "call", At: stage.Position{Part: 1}, Input: []byte{0xff}, Reason: "bad \xff", Attempts: 3, Stack: "goroutine 1:\n\tmain.go:7"},
		{Stage: "sum", Input: math.Inf(1), Reason: "too large"},
	}
	for n := 1; n <= len(letters); n++ { // whatever the chunks
		require.NoError(t, run(t, DeadLetters(path), n, letters...))
		lines := strings.Split(content(t, path), "\n")
		require.Len(t, lines, 4)
		assert.Equal(t, []string{
			`{"stage":"parse","index":41,"file":"in.csv","record":42,"byte":900,"reason":"bad","input":"1,x"}`,
			`{"stage":"call","index":0,"part":1,"record":1,"byte":0,"reason":"bad ` + "\ufffd" +
				`","attempts":3,"input":"/w==","encoding":"base64","stack":"goroutine 1:\n\tmain.go:7"}`,
		}, lines[:2])
		assert.True(t, strings.HasPrefix(lines[2], `{"stage":"sum","index":0,"record":1,"byte":0,"reason":"too large","input":"+Inf","encoding":"text","note":"`), lines[2])
	}
	assert.Equal(t, `DeadLetters(`+path+`)`, DeadLetters(path).(interface{ String() string }).String())
}

func TestDeadLettersFiles(t *testing.T) {
	dir, path := old(t, "failed.ndjson")
	w := open(t, DeadLetters(path))
	require.NoError(t, w.Write(t.Context(), &stage.Chunk[stage.Letter]{Items: make([]stage.Letter, 3)}))
	require.NoError(t, w.Close(t.Context(), errors.New("cause")))
	assert.Equal(t, "old", content(t, path), "an abort leaves it as it was")
	require.NoError(t, run(t, DeadLetters(path), 1))
	assert.Empty(t, content(t, path))
	_, err := DeadLetters(filepath.Join(dir, "none", "x")).Open(t.Context(), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, "penstock: sink.DeadLetters: path is empty", panics(t, func() { DeadLetters("") }))
}

package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const flights = "examples/flights/data/flights-2001-01.csv.zst"

func TestWhereTheDataIs(t *testing.T) {
	path, err := Data(flights)
	require.NoError(t, err)
	assert.FileExists(t, path)

	t.Chdir(filepath.Join("..", ".."))
	path, err = Data(flights)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("flights", "data", "flights-2001-01.csv.zst"), path)

	t.Chdir(t.TempDir())
	path, err = Data(flights)
	require.NoError(t, err)
	assert.FileExists(t, path)

	root, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join("a", "b"), 0o700))
	require.NoError(t, os.WriteFile("x", nil, 0o600))
	path, found := around(filepath.Join(root, "a", "b"), "x")
	assert.True(t, found)
	assert.Equal(t, filepath.Join(root, "x"), path)
	_, found = around(filepath.Join(root, "a", "b"), "y-that-is-nowhere")
	assert.False(t, found)
}

func TestDataThatIsNowhere(t *testing.T) {
	_, err := Data("examples/none.csv")
	assert.ErrorContains(t, err, "examples/none.csv is nowhere around here")
}

package command

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args  []string
		files []string
		err   string
		help  bool
	}{
		{args: nil, files: nil},
		{args: []string{"a", "-n", "3", "-", "b"}, files: []string{"a", "-", "b"}},
		{args: []string{"a", "-n", "x"}, err: `invalid value "x" for flag -n: parse error`},
		{args: []string{"-m"}, err: "not defined: -m"},
		{args: []string{"a", "-h"}, err: flag.ErrHelp.Error(), help: true},
	} {
		fs := flag.NewFlagSet("x", flag.ContinueOnError)
		fs.Int("n", 0, "a number")
		var stderr bytes.Buffer
		var files []string
		err := Parse(fs, test.args, "Usage: x", &stderr, func(file string) { files = append(files, file) })
		assert.Equal(t, test.help, stderr.Len() > 0)
		if test.err != "" {
			require.ErrorContains(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, test.files, files)
	}
}

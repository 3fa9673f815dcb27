package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program at the top of the README is this one, to the letter.
func TestREADMEShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```go\n"+string(program)+"```\n")
}

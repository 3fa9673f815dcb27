// Package command is what the examples' programs share around their jobs: exit
// codes, signals, progress, and where the data beside them is. Nothing about
// pipelines lives here.
package command

// What a program exits with, beside 128 and the number of a signal.
const (
	OK     = 0
	Failed = 1
	Usage  = 2
)

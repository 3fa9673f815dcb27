package main

import (
	"context"
	_ "embed" // the function
	"fmt"
	"io"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

//go:embed entropy.py
var script string

// question is what the function is asked about a line, answer what it says.
type (
	question struct {
		Text string `json:"text"`
	}
	answer struct {
		Length int     `json:"length"` // characters
		Bits   float64 `json:"bits"`   // of information that each of them has
	}
)

type job struct {
	in       string
	function string
	args     []string // the function's program
	workers  int
	pipeline int
}

// result is what the lines come to.
type result struct {
	lines, characters int
	bits              float64 // of all characters
	least, most       float64 // of a line's
	elapsed           time.Duration
}

// run asks the function about each line that is not empty.
func (j *job) run(ctx context.Context) (*result, error) {
	began := time.Now()
	function := stage.Command{
		Args:       j.args,
		Env:        []string{"PYTHONUTF8=1"},
		InheritEnv: []string{"PATH", "HOME"}, // for a python3 that is a script
		Timeout:    10 * time.Second,
		Pipeline:   j.pipeline,
	}
	lines := source.Lines(j.in).Filter(func(line string) bool { return line != "" })
	questions := stage.Map(lines, stage.Pure(func(line string) question { return question{line} }))
	answers := pool.ExecJSON[question, answer](pool.New(j.workers), questions, function)
	res := &result{}
	for a, err := range answers.All(ctx) {
		if err != nil {
			return nil, err
		}
		res.add(a)
	}
	res.elapsed = time.Since(began)
	return res, nil
}

func (r *result) add(a answer) {
	if r.lines == 0 {
		r.least = a.Bits
	}
	r.lines++
	r.characters += a.Length
	r.bits += a.Bits * float64(a.Length)
	r.least, r.most = min(r.least, a.Bits), max(r.most, a.Bits)
}

func (r *result) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Lines       %7d\nCharacters  %7d\n", r.lines, r.characters)
	if err == nil && r.lines > 0 {
		mean := r.bits / float64(r.characters)
		_, err = fmt.Fprintf(w, "Bits        %7.3f of a character; from %.3f to %.3f in a line\n", mean, r.least, r.most)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "%.2f s, %.0f lines per second\n", r.elapsed.Seconds(), float64(r.lines)/r.elapsed.Seconds())
	}
	return err
}

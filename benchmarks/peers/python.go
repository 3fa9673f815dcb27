package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/source"
)

//go:embed python.py
var pythonScript []byte

// pythonWorkers is how many processes Python's Pool has, and workers ours.
const pythonWorkers = 2

// openPython is the suite of Python's multiprocessing.Pool and of the same verbs
// here, with the same chunk sizes, squaring integers. Without a python3 there is
// only ours.
func openPython(ctx context.Context, set settings) (*plan, error) {
	if set.impls != nil && !set.impls.MatchString("python") {
		return &plan{cases: pythonCases(impl{name: "python"})}, nil
	}
	py, err := startPython(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		note := "not measured: " + err.Error()
		absent := impl{name: "python", absent: true, note: note}
		return &plan{cases: pythonCases(absent), warning: "python is " + note}, nil //nolint:nilerr // it is in the rows
	}
	return &plan{
		cases: pythonCases(impl{name: "python", chunks: true, run: py.run, note: py.note}),
		close: py.close,
	}, nil
}

func pythonCases(python impl) []benchCase {
	verbs := []struct {
		name    string
		ordered bool
		run     runner
	}{
		{"imap", true, penstockMap},
		{"imap_unordered", false, penstockMap},
		{"map", true, penstockCollect},
	}
	sizes := []int{1, 16, 256, 4096}
	cases := make([]benchCase, 0, len(verbs)*len(sizes))
	for _, verb := range verbs {
		for _, chunk := range sizes {
			theirs := python
			theirs.set = func(j *job) { j.verb = verb.name }
			c := benchCase{
				name: fmt.Sprintf("%s/chunk=%d", verb.name, chunk), quickN: 2000,
				job: job{
					n: 2000, fn: square, value: func(x int) int { return x * x },
					workers: pythonWorkers, ordered: verb.ordered, chunk: chunk,
				},
				most:  1_000_000, // all results are held on both sides
				impls: []impl{penstockBy(verb.run), theirs},
			}
			if verb.name == "imap" && chunk == 1 {
				c.bounds = []bound{overPython(100)}
			}
			cases = append(cases, c)
		}
	}
	return cases
}

func overPython(limit float64) bound {
	return bound{what: "times as fast as Python", atLeast: true, limit: limit, figure: func(rs results) float64 {
		return rs.ns("python") / rs.ns(ourName)
	}}
}

// penstockCollect is Map, which returns all results.
func penstockCollect(ctx context.Context, j job) (tally, error) {
	p := pool.New(j.workers)
	defer p.Close()
	t := j.tally()
	all, err := pool.Map(ctx, p, source.Range(j.first, j.first+j.n), j.fn, pool.ChunkSize(j.chunk))
	for _, v := range all {
		t.add(v)
	}
	return t, err
}

// python is a process with a Pool that waits for requests. Its times are its own
// clock's: the pipe, the check of the results and starting up are not in them.
type python struct {
	dir     string
	process *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	said    bytes.Buffer // what it wrote to stderr
	note    string
	startup *float64
}

// startPython starts it and waits until its workers have worked.
func startPython(ctx context.Context) (py *python, err error) {
	const name = "python3"
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, errors.New("no " + name + " in the path")
	}
	// A file, and not -c, because workers may have to import it.
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, err
	}
	py = &python{dir: dir}
	script := filepath.Join(dir, "python.py")
	if err := os.WriteFile(script, pythonScript, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	py.process = exec.CommandContext(ctx, path, script, strconv.Itoa(pythonWorkers)) //nolint:gosec // our own script
	py.process.Stderr = &py.said
	py.process.WaitDelay = 5 * time.Second
	py.in, err = py.process.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	out, err := py.process.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	py.out = json.NewDecoder(out)
	if err := py.process.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	var started struct {
		Version string  `json:"version"`
		Seconds float64 `json:"seconds"`
	}
	if err := py.out.Decode(&started); err != nil {
		return nil, fmt.Errorf("its Pool did not start: %w", errors.Join(err, py.close()))
	}
	py.startup = figure(started.Seconds * 1e3)
	py.note = fmt.Sprintf("Python %s: processes, everything in memory; without starting the Pool; allocations not counted", started.Version)
	return py, nil
}

// run has Python do the job. A failure of ctx ends the process.
func (py *python) run(_ context.Context, j job) (tally, error) {
	request := map[string]any{"verb": j.verb, "n": j.n, "chunk": j.chunk, "ordered": j.ordered}
	if err := json.NewEncoder(py.in).Encode(request); err != nil {
		return tally{}, err
	}
	var answer struct {
		Seconds float64 `json:"seconds"`
		Sum     int     `json:"sum"`
		Order   int     `json:"order"`
	}
	if err := py.out.Decode(&answer); err != nil {
		return tally{}, err
	}
	j.sample.took += time.Duration(answer.Seconds * float64(time.Second))
	j.sample.StartupMs = py.startup
	return tally{sum: answer.Sum, order: answer.Order}, nil
}

// close ends the process, which ends at the end of its input.
func (py *python) close() error {
	err := errors.Join(py.in.Close(), py.process.Wait(), os.RemoveAll(py.dir))
	if said := strings.TrimSpace(py.said.String()); err != nil && said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// fileTools are the processes that are built and the folder of the inputs.
type fileTools struct {
	dir                string
	job, duck, flights string
	noDuck             string // why there is none
}

// openFiles builds the processes and has the inputs made, by a process too: what
// this one takes counts as the least memory of those that it starts.
func openFiles(ctx context.Context, quick bool) (tools fileTools, err error) {
	flights, err := findUp(flightsFile)
	if err != nil {
		return tools, err
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(flights))))
	if tools.dir, err = os.MkdirTemp("", "peers"); err != nil {
		return tools, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tools.dir))
		}
	}()
	peers := filepath.Join(root, "benchmarks", "peers")
	exe := func(name string) string {
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		return filepath.Join(tools.dir, name)
	}
	tools.job, tools.flights = exe("filesjob"), exe("flights")
	if err := build(ctx, peers, tools.job, "./filesjob"); err != nil {
		return tools, err
	}
	if err := build(ctx, root, tools.flights, "./examples/flights"); err != nil {
		return tools, err
	}
	duck := exe("duck")
	if err := build(ctx, peers, duck, "-tags=duckdb", "./duck"); err != nil {
		if ctx.Err() != nil {
			return tools, context.Cause(ctx)
		}
		why, _, _ := strings.Cut(err.Error(), "\n")
		tools.noDuck = why
	} else {
		tools.duck = duck
	}
	rows, times, json, small, numbers := "0", "30", "1000000", "6", "10000000"
	if quick {
		rows, times, json, small, numbers = "2000", "3", "3000", "1", "50000"
	}
	args := []string{"generate", tools.dir, flights, rows, times, json, small, numbers}
	cmd := exec.CommandContext(ctx, tools.job, args...) //nolint:gosec // our own program
	if said, err := cmd.CombinedOutput(); err != nil {
		return tools, fmt.Errorf("the inputs: %w: %s", err, said)
	}
	return tools, nil
}

// build builds a package of the module in the folder.
func build(ctx context.Context, folder, out string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-o", out}, args...)...) //nolint:gosec // ours
	cmd.Dir = folder
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

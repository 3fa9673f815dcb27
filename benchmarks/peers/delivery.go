package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// runDelivery is the suite of what checkpoints cost.
func runDelivery(ctx context.Context, set settings, cases *regexp.Regexp, p *printer, _ io.Writer) (n int, err error) {
	const cost, resume = "csv-to-file", "resume/80%"
	if !cases.MatchString(cost) && !cases.MatchString(resume) {
		return 0, nil
	}
	tools, err := openFiles(ctx, set.quick)
	if err != nil {
		return 0, fmt.Errorf("delivery: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tools.dir)) }()
	if err := p.filesHead("delivery"); err != nil {
		return 0, err
	}
	if cases.MatchString(cost) {
		n++
		// Three times the file, so that the job takes ten seconds.
		c := fileCase{
			name: cost, input: plainFile, repeat: 3, out: ".ndjson", most: mostMB, once: true,
			rival: []rival{{
				name: "penstock, one sync at the end", argv: []string{tools.job, "csv-to-file without", "{out}", inputArg}, limit: 1.1,
			}},
		}
		rows, err := measureFiles(ctx, c, tools, set)
		if err != nil {
			return n, fmt.Errorf("delivery: %s: %w", cost, err)
		}
		if err := p.fileRows(renamed(rows, "delivery")); err != nil {
			return n, err
		}
	}
	if cases.MatchString(resume) {
		n++
		row, err := measureResume(ctx, resume, tools, set)
		if err != nil {
			return n, fmt.Errorf("delivery: %s: %w", resume, err)
		}
		if err := p.fileRows(renamed([]*fileRow{row}, "delivery")); err != nil {
			return n, err
		}
	}
	return n, nil
}

func renamed(rows []*fileRow, suite string) []*fileRow {
	for _, r := range rows {
		r.Suite = suite
	}
	return rows
}

// measureResume has a job killed at 80 % and goes on with it: how long it takes
// until the sink is given something.
func measureResume(ctx context.Context, name string, tools fileTools, set settings) (*fileRow, error) {
	in := filepath.Join(tools.dir, plainFile)
	row := &fileRow{Suite: "delivery", Case: name, Impl: ourName, Note: "until the sink has something to write"}
	var seconds []float64
	for range set.rounds {
		folder, err := os.MkdirTemp(tools.dir, "out")
		if err != nil {
			return nil, err
		}
		took, err := resumeOnce(ctx, tools, filepath.Join(folder, "out.ndjson"), in, row)
		if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
			return nil, err
		}
		seconds = append(seconds, took)
	}
	row.Seconds, row.Rounds = round(median(seconds)), len(seconds)
	if !set.quick {
		row.judge("seconds <= 0.5", row.Seconds, 0.5)
	}
	return row, nil
}

func resumeOnce(ctx context.Context, tools fileTools, out, in string, row *fileRow) (seconds float64, err error) {
	crash := exec.CommandContext(ctx, tools.job, "csv-to-file, crashing", out, in) //nolint:gosec // our own program
	if said, err := crash.CombinedOutput(); err == nil || crash.ProcessState.Exited() {
		return 0, fmt.Errorf("it did not crash: %w: %s", err, said)
	}
	var said, failed bytes.Buffer
	again := exec.CommandContext(ctx, tools.job, "csv-to-file, once more", out, in) //nolint:gosec // our own program
	again.Stdout, again.Stderr = &said, &failed
	if err := again.Run(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, failed.Bytes())
	}
	row.PeakRSSMB = max(row.PeakRSSMB, round(peakRSS(again.ProcessState)))
	var done int
	_, err = fmt.Sscan(said.String(), &seconds, &done)
	row.Answer = fmt.Sprintf("%d rows were done", done)
	return seconds, err
}

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress says how far a sweep has come: as a bar on a terminal, as a line from
// time to time elsewhere. It runs between the runs that are measured, in their
// goroutine, so that it disturbs none.
type progress struct {
	w        io.Writer // stderr, or a test's
	terminal bool
	every    time.Duration // between lines, at least
	jobs     int

	job  string
	nth  int // of the jobs, from 1
	bar  *progressbar.ProgressBar
	last time.Time // a line was written
}

func newProgress(c *command, jobs int) *progress {
	return &progress{w: c.stderr, terminal: c.terminal, every: c.every, jobs: jobs}
}

// begin tells that a job begins.
func (p *progress) begin(job string) {
	p.job, p.last = job, time.Now()
	p.nth++
	if p.terminal {
		return
	}
	stderr := p.w
	fmt.Fprintf(stderr, "sweep: job %d of %d: %s\n", p.nth, p.jobs, job)
}

// tell is the job's sweep.Progress.
func (p *progress) tell(done, total int, what string) {
	if !p.terminal {
		if now := time.Now(); now.Sub(p.last) >= p.every {
			stderr := p.w
			fmt.Fprintf(stderr, "sweep: %s: %d of %d runs, %s\n", p.job, done, total, what)
			p.last = now
		}
		return
	}
	if p.bar == nil {
		p.bar = p.newBar(total)
	}
	if total != p.bar.GetMax() {
		p.bar.ChangeMax(total)
	}
	_ = p.bar.Set(done)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

func (p *progress) newBar(total int) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(fmt.Sprintf("%s (%d of %d)", p.job, p.nth, p.jobs)),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it starts a goroutine that nobody joins
	)
}

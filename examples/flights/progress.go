package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress says, while a run goes on, how many rows have passed and how
// fast: as a bar on a terminal, as a line from time to time elsewhere.
type progress struct {
	w        io.Writer // stderr, or a test's
	terminal bool
	every    time.Duration // between lines

	rows atomic.Int64
}

// frame is the time between two states of the bar.
const frame = 100 * time.Millisecond

// start begins to tell. The function that it returns ends that, and takes the bar
// away. total is how many rows there may be, or 0 if nobody knows.
func (p *progress) start(total int) (stop func()) {
	every, tell := p.every, p.line
	end := func() {}
	if p.terminal {
		bar := p.bar(total)
		every, tell = frame, func(time.Duration, int64) { _ = bar.Set64(p.rows.Load()) }
		end = func() { _ = bar.Finish() }
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		var before int64
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				rows := p.rows.Load()
				tell(every, rows-before)
				before = rows
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		end()
	}
}

func (p *progress) line(during time.Duration, more int64) {
	stderr := p.w
	fmt.Fprintf(stderr, "flights: %d rows, %.0f rows per second\n", p.rows.Load(), float64(more)/during.Seconds())
}

func (p *progress) bar(total int) *progressbar.ProgressBar {
	known := total > 0
	if !known {
		total = -1
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription("flights"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(known), // rows, in fact
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("rows"),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetRenderBlankState(true), // the rate counts from here
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it starts a goroutine that nobody joins
	)
}

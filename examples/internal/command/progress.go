package command

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress says, while a run goes on, how many rows have passed and how
// fast: as a bar on a terminal, as a line from time to time elsewhere.
type Progress struct {
	Name     string        // of the program
	W        io.Writer     // its stderr, or a test's
	Terminal bool          // W is one
	Every    time.Duration // between lines; 0: two seconds

	Rows atomic.Int64 // that have passed
}

// frame is the time between two states of the bar.
const frame = 100 * time.Millisecond

// Start begins to tell. The function that it returns ends that, and takes the bar
// away. total is how many rows there may be, or 0 if nobody knows.
func (p *Progress) Start(total int) (stop func()) {
	every, tell := cmp.Or(p.Every, 2*time.Second), p.line
	end := func() {}
	if p.Terminal {
		bar := p.bar(total)
		every, tell = frame, func(time.Duration, int64) { _ = bar.Set64(p.Rows.Load()) }
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
				rows := p.Rows.Load()
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

func (p *Progress) line(during time.Duration, more int64) {
	stderr := p.W
	fmt.Fprintf(stderr, "%s: %d rows, %.0f rows per second\n", p.Name, p.Rows.Load(), float64(more)/during.Seconds())
}

func (p *Progress) bar(total int) *progressbar.ProgressBar {
	known := total > 0
	if !known {
		total = -1
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.W),
		progressbar.OptionSetDescription(p.Name),
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

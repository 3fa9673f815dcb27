package stage

import "fmt"

// MaxFailedShare is an error budget beside that of Continue or DeadLetter: the run
// fails when more than share of its items have failed. Items are those that reach the
// sink or would have: written or failed; what a stage filters out is none of them, and
// a batch is one.
//
// It is checked at every failed item, from the item on with which at least after
// have come, so that a bad start does not end the run, and once more at the end of the
// stream, however few items came. If too many have failed there, all has been written
// to the sink, which is then closed with that cause: a file stays as it was. Runs that
// are resumed count together.
//
// The error is a *BudgetError. MaxFailedShare panics unless share is between 0 and 1
// and after is not negative; so does Run if there is neither Continue nor DeadLetter.
func MaxFailedShare(share float64, after int) RunOption {
	checkShare(share, "stage.MaxFailedShare")
	notBelow(0, after, "stage.MaxFailedShare: after")
	return runOption(func(c *runConfig) { c.budget.share, c.budget.after = share, int64(after) })
}

// MaxFailedWindow is an error budget beside that of Continue or DeadLetter: the run
// fails when, of any n items one after the other, more than share have failed. It
// notices when a service goes down in the middle of a long run, long before
// MaxFailedShare does. Items are as there. It is checked at every failed item, and
// does not wait for the first n: what is too much for them all is too much at once.
// A run that is resumed begins with an empty window.
//
// The error is a *BudgetError. It remembers a number for each failure that a window
// may hold, 8 bytes each. MaxFailedWindow panics unless share is between 0 and 1 and n
// is positive; so does Run if there is neither Continue nor DeadLetter.
func MaxFailedWindow(share float64, n int) RunOption {
	checkShare(share, "stage.MaxFailedWindow")
	notBelow(1, n, "stage.MaxFailedWindow: n")
	return runOption(func(c *runConfig) { c.budget.windowShare, c.budget.window = share, int64(n) })
}

func checkShare(share float64, what string) {
	if !(share > 0 && share < 1) {
		panic(fmt.Sprintf("penstock: %s: share is %v, want more than 0 and less than 1", what, share))
	}
}

// BudgetError says that more items failed than the run's error budget allows.
type BudgetError struct {
	Failed int64      // so many items failed,
	Items  int64      // of so many that had come: all, or those of the window
	Max    int        // the limit of Continue or DeadLetter, if that was exceeded
	Share  float64    // the share of MaxFailedShare or MaxFailedWindow, if that was
	Window int        // the items of the window, if it was that of MaxFailedWindow
	Err    *ItemError // the item that failed last; nil if that was in a run before
}

// Error names the budget and the figures, and the item that failed last.
func (e *BudgetError) Error() string {
	var text string
	switch {
	case e.Share == 0:
		text = fmt.Sprintf("stage: more items failed than the limit of %d allows", e.Max)
	case e.Window == 0:
		text = fmt.Sprintf("stage: %d of %d items failed, more than a share of %v", e.Failed, e.Items, e.Share)
	default:
		text = fmt.Sprintf("stage: %d of the last %d items failed, more than a share of %v of %d", e.Failed, e.Items, e.Share, e.Window)
	}
	if e.Err == nil {
		return text
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the failure of the last item.
func (e *BudgetError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}

// budget is what the shares of a run allow.
type budget struct {
	share       float64 // 0: no limit
	after       int64
	windowShare float64 // 0: no limit
	window      int64
	recent      recent
}

func (b *budget) set() bool { return b.share > 0 || b.windowShare > 0 }

// failure is what a run ends with when e, the failed-th of so many items, was one too
// many; nil if it was not.
func (b *budget) failure(e *ItemError, failed, items int64) error {
	if b.share > 0 && items >= b.after {
		if err := b.overall(e, failed, items); err != nil {
			return err
		}
	}
	if b.windowShare > 0 {
		if n, in := b.recent.add(items, b.window); over(n, b.window, b.windowShare) {
			return &BudgetError{Failed: n, Items: in, Share: b.windowShare, Window: int(b.window), Err: e}
		}
	}
	return nil
}

// overall is failure for the share of all items, as at the end of the stream. e is
// nil if none has failed in this run.
func (b *budget) overall(e *ItemError, failed, items int64) error {
	if b.share == 0 || !over(failed, items, b.share) {
		return nil
	}
	return &BudgetError{Failed: failed, Items: items, Share: b.share, Err: e}
}

// over reports whether n of so many are more than a share. A quotient is as exact as
// the share that somebody wrote down; a product would be off by a bit.
func over(n, of int64, share float64) bool { return float64(n)/float64(of) > share }

// recent is where the failures of the window stand, oldest first.
type recent struct {
	at   []int64
	from int // those before have left the window
}

// add notes that the items-th item failed. It returns how many failed of the last
// ones, and how many those are.
func (r *recent) add(items, window int64) (failed, of int64) {
	for r.from < len(r.at) && r.at[r.from] <= items-window {
		r.from++
	}
	if 2*r.from > len(r.at) {
		r.at = r.at[:copy(r.at, r.at[r.from:])]
		r.from = 0
	}
	r.at = append(r.at, items)
	return int64(len(r.at) - r.from), min(items, window)
}

package sweep

import (
	"fmt"
	"math"
	"strings"
)

const (
	// enough is how near to the best a size must come for larger ones not to pay.
	enough = 0.05
	// maxNoise bounds what is put down to noise: beyond it, a sweep says little.
	maxNoise = 0.2
)

// Advice is a sentence that says which fixed size was fastest and where, what the
// automatic size loses against it, and from which size on larger chunks stop
// paying: the smallest whose throughput is within 5 % of the best, or within the
// spread of its runs if that is more (20 % at most). It speaks of the mode and
// number of workers that were fastest. It is about this machine and this job.
func (r *Report) Advice() string {
	var best *Row
	var of line
	for _, l := range r.lines() {
		if b := l.best(); b != nil && (best == nil || b.ItemsPerSecond > best.ItemsPerSecond) {
			best, of = b, l
		}
	}
	if best == nil {
		return r.Job + ": only the automatic chunk size was measured."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s a chunk is the best fixed size (%s: %s items/s, %s times the plain loop)",
		r.Job, plural(int64(best.Chunk), "item"), of.name(),
		metric(best.ItemsPerSecond), three(best.ItemsPerSecond/r.Baseline.ItemsPerSecond))
	if of.auto != nil {
		b.WriteString("; " + againstAutomatic(best, of.auto))
	}
	b.WriteString("; " + of.pays(best))
	if best.ItemsPerSecond < r.Baseline.ItemsPerSecond {
		b.WriteString("; but the plain loop without a pool is faster still")
	}
	if r.Rounds == 1 {
		b.WriteString(" (one round only: how much of this is noise is unknown)")
	}
	b.WriteString(".")
	return b.String()
}

// againstAutomatic says how the automatic size compares with the best fixed one.
func againstAutomatic(best, auto *Row) string {
	name := "automatic"
	if auto.Settled > 0 {
		name += " settles on " + plural(auto.Settled, "item")
	} else {
		name += " chooses by itself"
	}
	loss := 1 - auto.ItemsPerSecond/best.ItemsPerSecond
	noise := max(best.Spread, auto.Spread)
	switch {
	case math.Abs(loss) < 0.005:
		return name + " and loses nothing"
	case loss < 0:
		return name + " and is " + percent(-loss) + " faster still"
	case loss <= noise && noise > maxNoise:
		return fmt.Sprintf("%s and loses %s, in runs that spread by %s", name, percent(loss), percent(noise))
	case loss <= noise:
		return fmt.Sprintf("%s and loses %s, within the noise of %s", name, percent(loss), percent(noise))
	}
	return name + " and loses " + percent(loss)
}

// pays says from which size on larger chunks do not pay.
func (l *line) pays(best *Row) string {
	smallest := l.smallest(best)
	last := &l.fixed[len(l.fixed)-1]
	switch {
	case len(l.fixed) == 1:
		return "no other size was measured"
	case smallest.Chunk == last.Chunk:
		return fmt.Sprintf("larger chunks pay up to %d, the largest that was measured", last.Chunk)
	}
	return fmt.Sprintf("from %d on, larger chunks stop paying", smallest.Chunk)
}

// smallest is the smallest fixed size that is as good as the best.
func (l *line) smallest(best *Row) *Row {
	for i := range l.fixed {
		row := &l.fixed[i]
		tolerance := max(enough, min(maxNoise, max(best.Spread, row.Spread)))
		if row.ItemsPerSecond >= best.ItemsPerSecond*(1-tolerance) {
			return row
		}
	}
	return best
}

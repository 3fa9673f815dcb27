package stage

import "time"

// quick is how soon a chunk must come for the next to be larger.
const quick = 200 * time.Microsecond

// pace chooses how many items a terminal asks for: one at first, so that a slow
// source's first item comes at once and a broken range pulls little too much;
// then twice as many while chunks come quickly, half as many while they come
// slowly, at most 1024. The clock is read while chunks come back full, when the
// limit is what binds, and for one in sixteen of the others, where a filter may
// have thinned what the limit bound.
type pace struct {
	n     int
	pulls int // since one was timed
	timed bool
	start time.Time
}

// ask is the limit of the next pull.
func (p *pace) ask() Limit {
	if p.n == 0 {
		p.n, p.timed = 1, true
	}
	if p.timed {
		p.start = time.Now()
	}
	return Limit{Items: p.n}
}

// got tells how many items the pull returned.
func (p *pace) got(items int) {
	full := items >= p.n
	if p.timed {
		p.pulls = 0
		if time.Since(p.start) < quick {
			p.n = min(2*p.n, maxChunk)
		} else {
			p.n = max(p.n/2, 1)
		}
	}
	p.pulls++
	p.timed = full || p.pulls == 16
}

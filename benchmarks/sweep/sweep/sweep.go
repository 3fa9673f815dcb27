package sweep

import (
	"context"
	"fmt"
	"time"
)

// Run runs the job in every combination of the options and returns what it
// measured. It is eager and runs one combination at a time, in rounds; see the
// package's documentation for how, and for what is and is not on the clock. It
// takes about (rounds + 1) times the sum of all combinations, a run each; Items
// makes runs shorter, Budget bounds the whole.
//
// Every run must deliver the same number of results and of failed items, and at
// least one: anything else is an error that names the combination, as is a
// failure of the source, the function or the sink. Without KeepGoing an item that
// fails is such a failure. When ctx ends, Run returns an error that wraps its
// cause. There is no report with an error.
//
// Run panics if the job's Func is nil or options do not go together.
func Run[A, B any](ctx context.Context, job Job[A, B], opts ...Option) (*Report, error) {
	cfg := newConfig("Run", opts)
	d := newDriver("Run", job, cfg)
	s := &sweeping{config: cfg, start: time.Now()}
	for _, c := range cfg.combinations() {
		s.field = append(s.field, &contestant{Combination: c})
	}
	s.total = len(s.field) * (cfg.rounds + 1)

	var err error
	if d.bytes, err = d.job.bytes(ctx, cfg.keepGoing); err != nil {
		return nil, fmt.Errorf("sweep: %s: sizes of the items: %w", job.name(), err)
	}
	for _, p := range s.field {
		if p.warm, p.heap, err = d.warmUp(ctx, p.Combination); err != nil {
			return nil, err
		}
		s.tell(p)
	}
	rounds := 0
	for ; rounds < cfg.rounds && (rounds == 0 || s.timeFor()); rounds++ {
		s.began = time.Now()
		for i := range s.field {
			p := s.field[(i+s.first(rounds))%len(s.field)]
			one, err := d.timed(ctx, p.Combination)
			if err != nil {
				return nil, err
			}
			p.samples = append(p.samples, one)
			s.tell(p)
		}
	}
	r := &Report{
		Job: job.name(), Description: job.Description, Date: s.start, Machine: thisMachine(),
		Items: d.want.results + d.want.failed, Failed: d.want.failed, Bytes: d.bytes,
		Rounds: rounds, Took: time.Since(s.start),
		Baseline: s.field[0].row(d.bytes),
	}
	for _, p := range s.field[1:] {
		r.Rows = append(r.Rows, p.row(d.bytes))
	}
	return r, nil
}

// sweeping is a call of Run as far as it does not depend on types.
type sweeping struct {
	config
	field       []*contestant
	done, total int
	start       time.Time
	began       time.Time // the round
}

// first is the contestant with which a round begins: those of the rounds are as
// far from each other as can be.
func (s *sweeping) first(round int) int {
	return round * max(1, len(s.field)/s.rounds) % len(s.field)
}

// timeFor says whether another round like the last one fits into the budget.
func (s *sweeping) timeFor() bool {
	now := time.Now()
	last := now.Sub(s.began)
	if s.budget == 0 || now.Add(last).Sub(s.start) <= s.budget {
		return true
	}
	s.total = s.done
	if s.progress != nil {
		s.progress(s.done, s.total, "")
	}
	return false
}

// tell reports that a contestant has run.
func (s *sweeping) tell(p *contestant) {
	s.done++
	if s.progress != nil {
		s.progress(s.done, s.total, p.String())
	}
}

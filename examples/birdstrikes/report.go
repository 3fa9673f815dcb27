package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/source"
	reading "github.com/penstock-go/penstock/source/parquet"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

// found is what the files say that were written.
type found struct {
	strikes, cost, rejected int64
	phases                  []phase // in the order of a flight
}

// phase is the strikes in one phase of flight.
type phase struct {
	name                    string
	strikes, damaging, cost int64
	speeds, knots           int64 // how many are known, and their sum
}

// look reads the files back: of the Parquet file only the columns that the report
// is about.
func look(ctx context.Context, strikes, rejected string) (f found, err error) {
	type columns struct {
		Phase  string `parquet:"phase"`
		Damage string `parquet:"damage"`
		Cost   int64  `parquet:"cost_total"`
		Speed  *int64 `parquet:"speed"`
	}
	f.phases = make([]phase, len(phases))
	for i, name := range phases {
		f.phases[i].name = name
	}
	for s, err := range reading.Source[columns](strikes).All(ctx) {
		if err != nil {
			return f, err
		}
		i := slices.Index(phases, s.Phase)
		if i < 0 {
			return f, fmt.Errorf("%s: row %d: phase: %.20q", strikes, f.strikes+1, s.Phase)
		}
		p := &f.phases[i]
		p.strikes++
		p.cost += s.Cost
		if s.Damage != "None" {
			p.damaging++
		}
		if s.Speed != nil {
			p.speeds++
			p.knots += *s.Speed
		}
		f.strikes++
		f.cost += s.Cost
	}
	f.rejected, err = source.NDJSON[letters.Rejected](rejected).Count(ctx)
	return f, err
}

// report is what a run that went well has to say.
func (r *result) report(j *job) string {
	var b strings.Builder
	if r.found.strikes > 0 {
		b.WriteString("Phase         strikes  damaging   total cost  mean speed\n")
	}
	for _, p := range r.found.phases {
		if p.strikes == 0 {
			continue
		}
		speed := "-"
		if p.speeds > 0 {
			speed = fmt.Sprintf("%.0f kn", float64(p.knots)/float64(p.speeds))
		}
		fmt.Fprintf(&b, "%-12s  %7d  %8d  %11s  %10s\n", p.name, p.strikes, p.damaging, dollars(p.cost), speed)
	}
	if r.found.strikes > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Rows read       %7d\n", r.Read)
	fmt.Fprintf(&b, "  written       %7d  %s\n", r.Written, j.out)
	fmt.Fprintf(&b, "  dead-lettered %7d  %s\n", r.DeadLettered, letters.File(j.out))
	fmt.Fprintf(&b, "%d = %d + %d, and as many were read back\n", r.Read, r.Written, r.DeadLettered)
	fmt.Fprintf(&b, "%.2f s, %.0f rows per second\n", r.elapsed.Seconds(), float64(r.Read)/max(r.elapsed.Seconds(), 1e-9))
	if j.verbose {
		fmt.Fprintf(&b, "\n%v", r.Summary)
	}
	return b.String()
}

// dollars is a sum as $1,234,567.
func dollars(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return "$" + digits
}

// remains is what a run that failed has to say of its work.
func (r *result) remains(j *job) string {
	left := "none was kept, " + j.out + " is as it was"
	if r.published {
		left = j.out + " has them all"
	}
	return fmt.Sprintf("rows read %d, written %d, dead-lettered %d; %s", r.Read, r.Written, r.DeadLettered, left)
}

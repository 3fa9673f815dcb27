package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

// route is a pair of airports with the flights from one to the other.
type route struct {
	origin, destination string
	flights             int64
	delay               int64 // minutes, of all together
}

func (r *route) meanDelay() float64 { return float64(r.delay) / float64(r.flights) }

// routes counts the flights of each route. There are a few thousand.
type routes map[[2]string]*route

func (r routes) add(f Flight) {
	pair := [2]string{f.Origin, f.Destination}
	on := r[pair]
	if on == nil {
		on = &route{origin: f.Origin, destination: f.Destination}
		r[pair] = on
	}
	on.flights++
	on.delay += int64(f.Delay)
}

// busiest are the ten routes with the most flights.
func (r routes) busiest() []*route {
	all := slices.SortedFunc(maps.Values(r), func(a, b *route) int {
		return cmp.Or(cmp.Compare(b.flights, a.flights), cmp.Compare(a.origin, b.origin), cmp.Compare(a.destination, b.destination))
	})
	return all[:min(10, len(all))]
}

// report is what a run that went well has to say.
func (r *result) report(j *job) string {
	var b strings.Builder
	if len(r.routes) > 0 {
		fmt.Fprintf(&b, "Busiest routes  flights  mean delay\n")
		for _, route := range r.routes {
			fmt.Fprintf(&b, "%-14s  %7d  %6.1f min\n", route.origin+"-"+route.destination, route.flights, route.meanDelay())
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Rows read       %7d\n", r.Read)
	fmt.Fprintf(&b, "  written       %7d  %s, table %s\n", r.Written, j.out, table)
	fmt.Fprintf(&b, "  filtered      %7d", r.filtered)
	if j.minDelay > minDelay {
		fmt.Fprintf(&b, "  less than %d minutes late", j.minDelay)
	}
	fmt.Fprintf(&b, "\n  dead-lettered %7d  %s\n", r.DeadLettered, letters.File(j.out))
	fmt.Fprintf(&b, "%d = %d + %d + %d\n", r.Read, r.Written, r.filtered, r.DeadLettered)
	fmt.Fprintf(&b, "%.2f s, %.0f rows per second\n", r.elapsed.Seconds(), float64(r.Read)/r.elapsed.Seconds())
	if j.verbose {
		fmt.Fprintf(&b, "\n%v", r.Summary)
	}
	return b.String()
}

// remains is what a run that failed has to say of its work.
func (r *result) remains(j *job) string {
	left := "none was kept, " + j.out + " is as it was"
	if r.swapped {
		left = j.out + " has them all"
	}
	return fmt.Sprintf("rows read %d, written %d, filtered %d, dead-lettered %d; %s",
		r.Read, r.Written, r.filtered, r.DeadLettered, left)
}

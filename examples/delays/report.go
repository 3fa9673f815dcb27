package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report is the worst windows, the largest files, and what was done.
func (r *result) report(j *job) string {
	var b strings.Builder
	if len(r.worst) > 0 {
		fmt.Fprintf(&b, "%-16s  %-28s  %7s  %s\n", "Worst windows", "", "flights", "mean delay")
	}
	for _, h := range r.worst {
		fmt.Fprintf(&b, "%-16s  %-28.28s  %7d  %6.1f min\n", h.Start.Format("2006-01-02 15:04"),
			fmt.Sprintf("%s %s, %s", h.Airport, h.City, h.State), h.Flights, h.MeanDelay)
	}
	states := slices.SortedFunc(maps.Keys(r.states), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.states[b], r.states[a]), cmp.Compare(a, b))
	})
	if len(states) > 0 {
		fmt.Fprintf(&b, "\nLargest files%*srows\n", 14, "")
	}
	for _, s := range states[:min(worstShown, len(states))] {
		fmt.Fprintf(&b, "%-24s %6d\n", s+".parquet", r.states[s])
	}
	fmt.Fprintf(&b, "\nFlights  %8d\nWindows  %8d in %d files, in %s\n", r.flights, r.Written, len(states), j.out)
	seconds := max(r.elapsed.Seconds(), 1e-9)
	fmt.Fprintf(&b, "%.2f s, %.0f flights per second\n", r.elapsed.Seconds(), float64(r.flights)/seconds)
	return b.String()
}

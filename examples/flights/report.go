package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-go/penstock/examples/internal/letters"
)

// route is a pair of airports with the flights from one to the other.
type route struct {
	origin, destination string
	flights             int64
	meanDelay           float64 // minutes
}

// busiest are the ten routes with the most flights, as the table has them.
func (d *database) busiest(ctx context.Context) (routes []route, err error) {
	rows, err := d.db.QueryContext(ctx, `
		SELECT origin, destination, count(*) AS flights, avg(delay)
		FROM target.`+table+` GROUP BY origin, destination
		ORDER BY flights DESC, origin, destination LIMIT 10`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	for rows.Next() {
		var r route
		if err := rows.Scan(&r.origin, &r.destination, &r.flights, &r.meanDelay); err != nil {
			return nil, err
		}
		routes = append(routes, r)
	}
	return routes, rows.Err()
}

// report is what a run that went well has to say.
func (r *result) report(j *job) string {
	var b strings.Builder
	if len(r.routes) > 0 {
		fmt.Fprintf(&b, "Busiest routes  flights  mean delay\n")
		for _, route := range r.routes {
			fmt.Fprintf(&b, "%-14s  %7d  %6.1f min\n", route.origin+"-"+route.destination, route.flights, route.meanDelay)
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

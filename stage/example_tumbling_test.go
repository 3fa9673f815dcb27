package stage_test

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// click is an event of a web site.
type click struct {
	At   string
	Page string
}

func (c click) time() time.Time {
	t, err := time.Parse(time.TimeOnly, c.At)
	if err != nil {
		panic(err) // the item's failure
	}
	return t.AddDate(2026, 0, 0)
}

func clicks() stage.Stream[click] {
	return of(
		click{"12:00:10", "/home"},
		click{"12:00:50", "/home"},
		click{"12:00:40", "/shop"}, // somewhat out of order
		click{"12:01:30", "/home"},
		click{"12:04:00", "/shop"},
		click{"12:00:20", "/shop"}, // late
	)
}

// count is a fold that counts.
func count() stage.Fold[click, int] {
	return stage.Fold[click, int]{
		New:   func() int { return 0 },
		Add:   func(n int, _ click) (int, error) { return n + 1, nil },
		Merge: func(a, b int) (int, error) { return a + b, nil },
	}
}

func pageOf(c click) string { return c.Page }

func line(r stage.WindowResult[string, int]) string {
	return fmt.Sprintf("%s-%s %s %d", r.Start.Format(time.TimeOnly), r.End.Format(time.TimeOnly), r.Key, r.Value)
}

func ExampleTumbling() {
	when := stage.EventTime(click.time, 30*time.Second)
	var late []click
	counts := stage.Tumbling(clicks(), when, time.Minute, pageOf, count(), stage.OnLate(func(c click) { late = append(late, c) }))
	show(stage.Map(counts, stage.Pure(line)))
	fmt.Println("late:", late)
	// Output:
	// 12:00:00-12:01:00 /home 2
	// 12:00:00-12:01:00 /shop 1
	// 12:01:00-12:02:00 /home 1
	// 12:04:00-12:05:00 /shop 1
	// late: [{12:00:20 /shop}]
}

func ExampleSliding() {
	when := stage.EventTime(click.time, 30*time.Second)
	counts := stage.Sliding(clicks(), when, 2*time.Minute, time.Minute, pageOf, count())
	show(stage.Map(counts, stage.Pure(line)))
	// Output:
	// 11:59:00-12:01:00 /home 2
	// 11:59:00-12:01:00 /shop 1
	// 12:00:00-12:02:00 /home 3
	// 12:00:00-12:02:00 /shop 1
	// 12:01:00-12:03:00 /home 1
	// 12:03:00-12:05:00 /shop 1
	// 12:04:00-12:06:00 /shop 1
}

func ExampleSession() {
	when := stage.EventTime(click.time, 30*time.Second)
	visits := stage.Session(clicks(), when, 90*time.Second, pageOf, count())
	show(stage.Map(visits, stage.Pure(line)))
	// Output:
	// 12:00:40-12:02:10 /shop 1
	// 12:00:10-12:03:00 /home 3
	// 12:04:00-12:05:30 /shop 1
}

func ExampleAllowedLateness() {
	when := stage.EventTime(click.time, 30*time.Second)
	counts := stage.Tumbling(clicks(), when, time.Minute, pageOf, count(), stage.AllowedLateness(5*time.Minute))
	show(stage.Map(counts, stage.Pure(func(r stage.WindowResult[string, int]) string {
		return fmt.Sprint(line(r), ", update ", r.Update)
	})))
	// Output:
	// 12:00:00-12:01:00 /home 2, update 0
	// 12:00:00-12:01:00 /shop 1, update 0
	// 12:01:00-12:02:00 /home 1, update 0
	// 12:00:00-12:01:00 /shop 2, update 1
	// 12:04:00-12:05:00 /shop 1, update 0
}

// Late items are failed ones: a run's policy deals with them.
func ExampleFailLate() {
	when := stage.EventTime(click.time, 30*time.Second)
	counts := stage.Tumbling(clicks(), when, time.Minute, pageOf, count(), stage.FailLate())
	show(stage.Map(counts, stage.Pure(line)))
	// Output:
	// 12:00:00-12:01:00 /home 2
	// 12:00:00-12:01:00 /shop 1
	// 12:01:00-12:02:00 /home 1
	// error: Tumbling: item 5: late: its window is gone
	// 12:04:00-12:05:00 /shop 1
}

// A key too many, as of a page that is never the same, does not fill the memory.
func ExampleMaxWindows() {
	when := stage.EventTime(click.time, 30*time.Second)
	counts := stage.Tumbling(clicks(), when, time.Minute, pageOf, count(), stage.MaxWindows(1))
	show(stage.Map(counts, stage.Pure(line)))
	// Output:
	// error: Tumbling: more than 1 open windows (see MaxWindows)
}

// recorded is a clock of a time that was.
type recorded struct {
	now   time.Time
	leaps bool // over the time that somebody waits for
}

func (r *recorded) Now() time.Time { return r.now }

func (r *recorded) AfterFunc(d time.Duration, f func()) func() bool {
	if r.leaps {
		r.now = r.now.Add(max(d, 0))
		f()
	}
	return func() bool { return !r.leaps }
}

// Windows by the time at which items come, here all at noon.
func ExampleArrivalTime() {
	noon := &recorded{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	when := stage.ArrivalTime[click](stage.OnClock(noon))
	show(stage.Map(stage.Tumbling(clicks(), when, time.Minute, pageOf, count()), stage.Pure(line)))
	// Output:
	// 12:00:00-12:01:00 /home 3
	// 12:00:00-12:01:00 /shop 3
}

// On a clock that leaps over what is waited for, a test of a slow stream takes no time.
func ExampleOnClock() {
	clock := &recorded{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), leaps: true}
	show(of(1, 2, 3).Throttle(0.5, 1, stage.OnClock(clock))) // one in two seconds
	fmt.Println(clock.now.Format(time.TimeOnly))
	// Output:
	// 1
	// 2
	// 3
	// 12:00:04
}

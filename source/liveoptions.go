package source

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// The verbs of live sources.
var (
	followVerbs = []string{"Follow", "FollowBytes"}           //nolint:gochecknoglobals // a constant
	liveVerbs   = []string{"Follow", "FollowBytes", "Ticker"} //nolint:gochecknoglobals // a constant
)

// The defaults of a file that is followed.
const (
	defaultPoll   = 250 * time.Millisecond
	defaultLinger = time.Second
)

// liveOptions are the settings of the sources that wait for what is yet to come; a
// zero is the default.
type liveOptions struct {
	clock   stage.Clock
	fromEnd bool
	poll    time.Duration
	idle    time.Duration // 0: never
	linger  time.Duration
	rotated string // "": the usual names
}

// onClock is the clock to go by.
func (o *liveOptions) onClock() stage.Clock {
	if o.clock == nil {
		return stage.MachineClock()
	}
	return o.clock
}

// OnClock makes a [Follow] or a [Ticker] go by clock instead of the machine's, as
// stage.OnClock does for operators. Tests in a testing/synctest bubble need no
// clock: it has the machine's replaced. OnClock panics if clock is nil.
func OnClock(clock stage.Clock) Option {
	notNil(clock == nil, "OnClock: clock")
	return option{name: "OnClock", only: liveVerbs, fn: func(o *options) { o.live.clock = clock }}
}

// FromEnd makes a [Follow] begin at the end of a file that is there when the stream
// is opened; a line at its end that has no newline yet is the first. A file that
// comes later is read from its start, as is every one after a rotation. Records are
// counted from where reading begins. A run that goes on from a checkpoint goes on
// where that says.
func FromEnd() Option {
	return option{name: "FromEnd", only: followVerbs, fn: func(o *options) { o.live.fromEnd = true }}
}

// PollEvery is how often a [Follow] looks at its file while nothing is added to it:
// a line that ends a long silence is handed on as much later, at most. A file that
// was just added to is looked at again after a 64th of that, then twice that, and so
// on. The default, and what 0 means, is 250 ms. PollEvery panics if d is negative.
func PollEvery(d time.Duration) Option {
	d = cmp.Or(span("PollEvery", d), defaultPoll)
	return option{name: "PollEvery", only: followVerbs, fn: func(o *options) { o.live.poll = d }}
}

// IdleFor ends the stream of a [Follow] when nothing was added for d while somebody
// waited for it; also if its file never comes. The line at the end is then handed on
// though it has no newline. The default, and what 0 means, is never. A run with a checkpoint that
// has come to such an end is finished: the next one begins anew. IdleFor panics if d
// is negative.
func IdleFor(d time.Duration) Option {
	d = span("IdleFor", d)
	return option{name: "IdleFor", only: followVerbs, fn: func(o *options) { o.live.idle = d }}
}

// LingerFor is how long nothing must have been added to a file that was rotated
// away before a [Follow] goes on with the one at its place: programs go on writing to
// the old one until they are told. It is also how long it waits for a rotation that is under
// way, or for a file that must not be opened yet, before it takes what it sees for
// an error. The default, and what 0 means, is a second. LingerFor panics if d is
// negative.
func LingerFor(d time.Duration) Option {
	d = cmp.Or(span("LingerFor", d), defaultLinger)
	return option{name: "LingerFor", only: followVerbs, fn: func(o *options) { o.live.linger = d }}
}

// Rotated is a pattern (path/filepath.Match) of the names that a file which a
// [Follow] reads has after its rotation, without what a compressor adds: "old-*.log".
// With a folder ("archive/app-*.log") they are looked for there; if that is not
// absolute, below the file's own. What the pattern's wild cards stand for tells the order. Without
// it those are the names that begin with the file's own ("app.log.1",
// "app.log-20260131"), and those with digits before its extension ("app-2026-01-31.log").
// Rotated panics if the pattern is malformed.
func Rotated(pattern string) Option {
	if _, err := filepath.Match(pattern, ""); err != nil {
		panic(fmt.Sprintf("penstock: source.Rotated: pattern %q: %v", pattern, err))
	}
	return option{name: "Rotated", only: followVerbs, fn: func(o *options) { o.live.rotated = pattern }}
}

// span checks a time.
func span(name string, d time.Duration) time.Duration {
	if d < 0 {
		panic(fmt.Sprintf("penstock: source.%s: d is %v, want 0 or more", name, d))
	}
	return d
}

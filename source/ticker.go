package source

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// Ticker makes a stream of the times at which an interval has passed, again and again,
// counted from when the stream is opened: so long after that by the clock, whole intervals
// each, in order. It never ends by itself, only with its context or its run, and never
// fails.
//
// As with time.Ticker, ticks that nobody is waiting for are dropped: a consumer that was
// away for several intervals gets one at once, that of the last, and then waits for
// the next. So there is never more than one tick a chunk, nothing is held and a slow
// consumer sees a leap, not a backlog. If the clock is set back, the stream waits until it
// has come so far again.
//
// A run with a checkpoint refuses it ([ErrNoResume]): time that has passed does not come
// again. The option is [OnClock]. Ticker panics if interval is not positive or another
// option is given.
func Ticker(interval time.Duration, opts ...Option) stage.Stream[time.Time] {
	if interval <= 0 {
		panic(fmt.Sprintf("penstock: source.Ticker: interval is %v, want more than 0", interval))
	}
	o := settings("Ticker", "", opts)
	clock := o.live.onClock()
	s := stage.New("Ticker", func(context.Context) (stage.Puller[time.Time], error) {
		why := oneWay{"time that has passed does not come again"}
		return &tickPuller{clock: clock, interval: interval, last: clock.Now(), oneWay: why}, nil
	})
	s.Plan().Detail = interval.String()
	return s
}

type tickPuller struct {
	oneWay
	clock    stage.Clock
	interval time.Duration
	last     time.Time // the tick before, or the start
	first    int64
}

func (p *tickPuller) Pull(ctx context.Context, into *stage.Chunk[time.Time], _ stage.Limit) error {
	into.Reset()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		passed := p.clock.Now().Sub(p.last)
		if passed >= p.interval {
			p.last = p.last.Add(passed - passed%p.interval)
			into.Items = append(into.Items, p.last)
			number(into, p.first)
			p.first++
			return nil
		}
		if err := waitFor(ctx, p.clock, p.interval-passed); err != nil {
			return err
		}
	}
}

func (p *tickPuller) Close() error { return nil }

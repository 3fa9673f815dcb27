package command

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := Progress{Name: "flights", W: &out}
		stop := p.Start(0)
		p.Rows.Store(100)
		time.Sleep(3 * time.Second)
		p.Rows.Store(4100)
		time.Sleep(2 * time.Second)
		stop()
		assert.Equal(t, "flights: 100 rows, 50 rows per second\nflights: 4100 rows, 2000 rows per second\n", out.String())
	})
}

func TestBar(t *testing.T) {
	for _, total := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := Progress{Name: "flights", W: &out, Terminal: true}
			stop := p.Start(total)
			for i := range 20 {
				p.Rows.Store(int64(10 * i))
				time.Sleep(frame)
			}
			synctest.Wait()
			before := out.String()
			assert.Contains(t, before, fmt.Sprintf("(%d", 190))
			assert.Contains(t, before, "rows/s")
			stop()
			assert.NotContains(t, out.String(), "\n")
			assert.Empty(t, lastState(out.String()), "the bar is taken away")
		})
	}
}

// A bar that ends before anything came is taken away too.
func TestBarWithoutRows(t *testing.T) {
	var out bytes.Buffer
	p := Progress{Name: "flights", W: &out, Terminal: true}
	p.Start(0)()
	assert.Empty(t, lastState(out.String()))
}

// lastState is what stands on a terminal's line in the end.
func lastState(out string) string {
	states := strings.Split(strings.TrimRight(out, "\r"), "\r")
	return strings.TrimSpace(states[len(states)-1])
}

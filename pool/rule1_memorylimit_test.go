package pool

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// What the job of TestR1_MemoryLimit has.
const (
	limitedBudget = 64 << 20 // in flight, in bytes
	limitedItem   = 64 << 10
	limitedItems  = 16 * limitedBudget / limitedItem
	limitedMemory = limitedBudget * 12 / 10
)

// limitedChild is set in the process that does the job.
const limitedChild = "PENSTOCK_TEST_MEMORY_LIMIT"

// A process whose memory limit is 1.2 times the budget streams sixteen times its budget,
// with the budget full all the while. What is alive stays below the limit: the budget, a
// pulled chunk, the outputs of running calls and the process itself. The collector is
// off but for the limit, which is a soft one: garbage may exceed it for a moment.
func TestR1_MemoryLimit(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), limitedChild+"=1", "GOGC=off", "GOMEMLIMIT="+strconv.Itoa(limitedMemory))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	var written, full, live, peak int64
	_, err = fmt.Sscan(string(out), &written, &full, &live, &peak)
	require.NoError(t, err, string(out))
	t.Logf("MiB: written %d, in flight %d, alive %d, with garbage %d, limit %d",
		written>>20, full>>20, live>>20, peak>>20, limitedMemory>>20)
	assert.EqualValues(t, limitedItems*limitedItem, written)
	assert.Greater(t, full, int64(limitedBudget*9/10), "the budget was not full: the test shows nothing")
	assert.Less(t, live, int64(limitedMemory))
	assert.Less(t, peak, int64(2*limitedBudget))
}

// limitedJob is the child. It prints the bytes that it wrote, the most that were in
// flight, that were alive, and that the process had from the system.
func limitedJob() error {
	if limit := debug.SetMemoryLimit(-1); limit != limitedMemory {
		return fmt.Errorf("the memory limit is %d", limit)
	}
	var (
		mu            sync.Mutex
		moved         = sync.NewCond(&mu)
		pulled, taken int
		written       int64
		full          int64
		live, peak    int64
		ended         bool
	)
	src := source.Func(func(context.Context) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		defer moved.Broadcast()
		if pulled == limitedItems {
			ended = true
			return nil, io.EOF
		}
		pulled++
		return make([]byte, limitedItem), nil
	})
	p := New(2)
	defer p.Close()
	twice := func(_ context.Context, b []byte) ([]byte, error) { return append(make([]byte, 0, len(b)), b...), nil }
	s := Imap(p, src, twice, ChunkSize(1), InFlight(limitedItems), InFlightBytes(limitedBudget),
		SizeOf(func(b []byte) int { return len(b) }))
	_, err := stage.Run(context.Background(), s, sink.Func(func(_ context.Context, b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		for !ended && pulled-taken < limitedBudget/limitedItem*95/100 { // until the budget is full
			moved.Wait()
		}
		full = max(full, int64(pulled-taken)*limitedItem)
		taken++
		written += int64(len(b))
		if taken%(limitedItems/32) == 0 { // while nothing is pulled: what is made during a collection passes for alive
			runtime.GC()
			alive, _ := memory()
			live = max(live, alive)
		}
		_, all := memory()
		peak = max(peak, all)
		return nil
	}))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, written, full, live, peak)
	return err
}

// memory is what the last collection found alive, and what counts against the limit.
func memory() (live, all int64) {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()), int64(s[1].Value.Uint64() - s[2].Value.Uint64())
}

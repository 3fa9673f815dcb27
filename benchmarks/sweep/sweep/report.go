package sweep

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Report is what a sweep found out about one job.
type Report struct {
	Job         string    `json:"job"`
	Description string    `json:"description,omitzero"`
	Date        time.Time `json:"date"` // when the sweep began
	Machine     Machine   `json:"machine"`

	Items  int64         `json:"items"`           // per run, failed ones included
	Failed int64         `json:"failed,omitzero"` // of them
	Bytes  int64         `json:"bytes,omitzero"`  // of all items of a run; 0 if they were not counted
	Rounds int           `json:"rounds"`          // timed runs per combination
	Took   time.Duration `json:"took_ns"`         // the sweep as a whole

	// Baseline is the plain loop without a pool.
	Baseline Row `json:"baseline"`
	// Rows are the combinations: by mode, then workers, then chunk size, Automatic
	// first.
	Rows []Row `json:"rows"`
}

// Row is what was measured of one combination. Times, rates and allocations are
// medians over the timed rounds.
type Row struct {
	Combination

	// Median, Min, Max and the quartiles are of the times that the runs took.
	Median time.Duration `json:"median_ns"`
	Min    time.Duration `json:"min_ns"`
	Q1     time.Duration `json:"q1_ns"`
	Q3     time.Duration `json:"q3_ns"`
	Max    time.Duration `json:"max_ns"`
	// Spread is the distance between the quartiles, divided by the median: 0.02
	// means that half of the runs lay within 2 % of each other. It is 0 after one
	// round, which says nothing.
	Spread float64 `json:"spread"`

	NsPerItem      float64 `json:"ns_per_item"` // of a run's time, not of a worker's
	ItemsPerSecond float64 `json:"items_per_second"`
	BytesPerSecond float64 `json:"bytes_per_second,omitzero"` // 0 if bytes were not counted

	// Allocations of the whole process while the job ran.
	AllocsPerItem     float64 `json:"allocs_per_item"`
	AllocBytesPerItem float64 `json:"alloc_bytes_per_item"`
	// PeakHeap is by how many bytes the heap grew at most, garbage included: from
	// the round to warm up.
	PeakHeap int64 `json:"peak_heap_bytes"`

	// PeakInFlight is how many items were in flight at most, of all rounds: 0 for
	// Eager, which counts none and holds all results, and for the baseline.
	PeakInFlight int64 `json:"peak_in_flight,omitzero"`
	// How long workers waited, all together: for their turn at the source, for
	// the in-flight budget while work was not done yet, and for the sink to take
	// what was done. 0 for Eager and the baseline.
	SourceWait   time.Duration `json:"source_wait_ns"`
	CreditWait   time.Duration `json:"credit_wait_ns"`
	ConsumerWait time.Duration `json:"consumer_wait_ns"`
	// Settled is how many items a chunk the pool asked for at the end: what
	// Automatic settled on, or the fixed size as far as the budget allows it. For
	// Automatic in Eager it comes from the round to warm up. 0 for the baseline.
	Settled int64 `json:"settled_chunk,omitzero"`

	// FirstItem is the time from the start of the run to the delivery of the
	// first result.
	FirstItem time.Duration `json:"first_item_ns"`
}

// Machine is where a sweep ran.
type Machine struct {
	CPU        string `json:"cpu"` // the processor's name as far as it can be known
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Go         string `json:"go"` // the version of Go
}

// String is the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %s, GOMAXPROCS %d, %s/%s, %s", m.CPU, plural(int64(m.Cores), "core"), m.GOMAXPROCS, m.OS, m.Arch, m.Go)
}

func thisMachine() Machine {
	return Machine{
		CPU: processor(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
	}
}

// processor names the machine's processor as far as it can be known.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// all are the rows with the baseline in front.
func (r *Report) all() []Row { return append([]Row{r.Baseline}, r.Rows...) }

// line is one curve of a report: a mode and a number of workers.
type line struct {
	mode    Mode
	workers int
	auto    *Row
	fixed   []Row // by chunk size
}

// lines are the report's curves, in the order of its rows.
func (r *Report) lines() []line {
	var lines []line
	for i := range r.Rows {
		row := &r.Rows[i]
		last := len(lines) - 1
		if last < 0 || lines[last].mode != row.Mode || lines[last].workers != row.Workers {
			lines = append(lines, line{mode: row.Mode, workers: row.Workers})
			last++
		}
		if row.automatic() {
			lines[last].auto = row
		} else {
			lines[last].fixed = append(lines[last].fixed, *row)
		}
	}
	return lines
}

// name is the line in words: "ordered, 2 workers".
func (l *line) name() string { return l.mode.String() + ", " + plural(int64(l.workers), "worker") }

// best is the fastest fixed size, nil if there is none.
func (l *line) best() *Row {
	var best *Row
	for i := range l.fixed {
		if best == nil || l.fixed[i].ItemsPerSecond > best.ItemsPerSecond {
			best = &l.fixed[i]
		}
	}
	return best
}

package sweep

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// WriteJSON writes the report as an indented JSON object. Names end in their
// units; times are integers in nanoseconds. It can be read back into a Report.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteCSV writes the rows as CSV, a header first and the baseline behind it. The
// names are those of the JSON; chunk is 0 for Automatic and empty for the
// baseline.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"job", "items", "bytes", "rounds", "mode", "workers", "chunk", "settled_chunk",
		"median_ns", "min_ns", "q1_ns", "q3_ns", "max_ns", "spread", "ns_per_item", "items_per_second", "bytes_per_second",
		"allocs_per_item", "alloc_bytes_per_item", "peak_heap_bytes", "peak_in_flight",
		"source_wait_ns", "credit_wait_ns", "consumer_wait_ns", "first_item_ns",
	}); err != nil {
		return err
	}
	for _, row := range r.all() {
		chunk := itoa(row.Chunk)
		if row.Mode == Sequential {
			chunk = ""
		}
		if err := out.Write([]string{
			r.Job, integer(r.Items), integer(r.Bytes), itoa(r.Rounds), row.Mode.String(), itoa(row.Workers), chunk, integer(row.Settled),
			integer(row.Median), integer(row.Min), integer(row.Q1), integer(row.Q3), integer(row.Max), decimal(row.Spread),
			decimal(row.NsPerItem), decimal(row.ItemsPerSecond), decimal(row.BytesPerSecond),
			decimal(row.AllocsPerItem), decimal(row.AllocBytesPerItem), integer(row.PeakHeap), integer(row.PeakInFlight),
			integer(row.SourceWait), integer(row.CreditWait), integer(row.ConsumerWait), integer(row.FirstItem),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func integer[T int64 | time.Duration](n T) string { return strconv.FormatInt(int64(n), 10) }

// decimal writes six digits that count, without an exponent where it is short.
func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

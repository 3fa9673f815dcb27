package blocks

import "sync"

// Tally numbers the records of blocks that are taken one after the other and
// counted in any order, by many goroutines at once. Counting is left to whoever
// splits a block; only when somebody wants the number of a block whose
// predecessors are not counted yet, it counts those itself.
type Tally struct {
	count func([]byte) int64

	mu      sync.Mutex // held for as long as it takes to count the blocks in flight, at most
	entries []entry    // the blocks that are not settled and done, and those behind them
	base    int64      // how many blocks came before entries[0]
	settled int        // so many of the entries have their numbers
	total   int64      // records of the settled blocks
	part    int32      // the part of the last settled block
	record  int64      // records of that part in settled blocks
}

// entry is a block on its way.
type entry struct {
	Counted
	data    []byte // while it is not counted
	settled bool
	done    bool
}

// Counted is a block's place among the records.
type Counted struct {
	First   int64 // records before it in all parts
	Record  int64 // records before it in its part
	Records int64 // how many records it holds
	Part    int32
	Long    int64 // as in Block
	Open    bool  // as in Block
}

// NewTally returns a Tally that counts the records of a block of whole ones with
// count, which is called by several goroutines at once. With a nil count, every
// block must come counted.
func NewTally(count func([]byte) int64) *Tally { return &Tally{count: count} }

// Begin begins with the block that has so many records before it in all parts, and
// record of them in its own.
func (t *Tally) Begin(first int64, part int32, record int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total, t.part, t.record = first, part, record
}

// Count is how many records a block of whole ones holds.
func (t *Tally) Count(block []byte) int64 { return t.count(block) }

// Add takes the next block, which belongs to a part, and returns its number
// among the blocks. The block must not change before it is settled.
func (t *Tally) Add(b Block, part int32) (number int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := entry{Counted: Counted{Records: b.Records, Part: part, Long: b.Long, Open: b.Open}}
	if b.Records < 0 {
		e.data = b.Data
	}
	t.entries = append(t.entries, e)
	return t.base + int64(len(t.entries)) - 1
}

// Settle returns the place of the block with this number, once. n is how many
// records it holds if the caller knows, else -1.
func (t *Tally) Settle(number, n int64) Counted {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(number - t.base)
	if e := &t.entries[i]; !e.settled && n >= 0 {
		e.Records = n
	}
	t.settle(i + 1)
	c := t.entries[i].Counted
	t.entries[i].done = true
	t.forget()
	return c
}

// Records is how many records the blocks of a part hold that were added last.
func (t *Tally) Records(part int32) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(len(t.entries))
	if t.part != part {
		return 0
	}
	return t.record
}

// settle gives the first n entries their numbers.
func (t *Tally) settle(n int) {
	for ; t.settled < n; t.settled++ {
		e := &t.entries[t.settled]
		if e.Records < 0 {
			e.Records = t.count(e.data)
		}
		if e.Part != t.part {
			t.part, t.record = e.Part, 0
		}
		e.data, e.settled = nil, true
		e.First, e.Record = t.total, t.record
		t.total += e.Records
		t.record += e.Records
	}
}

// forget drops the entries at the front that nobody will ask for.
func (t *Tally) forget() {
	n := 0
	for n < t.settled && t.entries[n].done {
		n++
	}
	if n == len(t.entries) || 2*n > len(t.entries) {
		t.entries = t.entries[:copy(t.entries, t.entries[n:])]
		t.base += int64(n)
		t.settled -= n
	}
}

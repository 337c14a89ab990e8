package bench

import "time"

// tally is what one session did in one interval, or the sum of several.
type tally struct {
	// number is the interval that the tally ends with.
	number uint64
	kinds  []kindTally
	aborts uint64
	// blocked is the time spent waiting at the bound of what may be in flight.
	blocked time.Duration
	// inFlight is the number executed and not released when the interval ended.
	inFlight int
}

// kindTally is a tally's part for one type of transaction.
type kindTally struct {
	executed, released, rollbacks uint64
	executedLatency               histogram
	releasedLatency               histogram
}

func newTally(kinds int) *tally {
	t := &tally{kinds: make([]kindTally, kinds)}
	for i := range t.kinds {
		t.kinds[i].executedLatency = newHistogram()
		t.kinds[i].releasedLatency = newHistogram()
	}
	return t
}

func (t *tally) add(from *tally) {
	t.aborts += from.aborts
	t.blocked += from.blocked
	t.inFlight += from.inFlight
	for i := range t.kinds {
		t.kinds[i].add(&from.kinds[i])
	}
}

func (t *tally) reset() {
	t.aborts, t.blocked, t.inFlight = 0, 0, 0
	for i := range t.kinds {
		k := &t.kinds[i]
		k.executed, k.released, k.rollbacks = 0, 0, 0
		k.executedLatency.reset()
		k.releasedLatency.reset()
	}
}

// sum folds all types of transactions into one.
func (t *tally) sum() kindTally {
	s := kindTally{executedLatency: newHistogram(), releasedLatency: newHistogram()}
	for i := range t.kinds {
		s.add(&t.kinds[i])
	}
	return s
}

func (k *kindTally) add(from *kindTally) {
	k.executed += from.executed
	k.released += from.released
	k.rollbacks += from.rollbacks
	k.executedLatency.merge(from.executedLatency)
	k.releasedLatency.merge(from.releasedLatency)
}

// window holds a session's transactions between executed and released, oldest
// first, at most its size.
type window struct {
	entries    []pending
	head, tail uint64
	mask       uint64
	sizeMax    uint64
}

// pending is a transaction that was executed and is not released.
type pending struct {
	ts         Timestamp
	start      time.Duration
	kind       Kind
	rolledBack bool
}

func newWindow(sizeMax int) window {
	slots := 1
	for slots < sizeMax {
		slots *= 2
	}
	return window{entries: make([]pending, slots), mask: uint64(slots - 1), sizeMax: uint64(sizeMax)}
}

func (w *window) len() int   { return int(w.tail - w.head) }
func (w *window) full() bool { return w.tail-w.head == w.sizeMax }

// push appends p; the window is not full.
func (w *window) push(p pending) {
	w.entries[w.tail&w.mask] = p
	w.tail++
}

// oldest returns the transaction at the head, nil if there is none.
func (w *window) oldest() *pending {
	if w.head == w.tail {
		return nil
	}
	return &w.entries[w.head&w.mask]
}

func (w *window) pop() { w.head++ }

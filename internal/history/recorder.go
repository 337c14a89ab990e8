package history

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Clients keep operations and the values of lists in chunks, which they
	// allocate one at a time.
	chunkOps    = 512
	chunkValues = 4096
	// valueBlock is how many unique values a client draws at once.
	valueBlock = 1024
)

// Clock returns the time now. It never goes back, also between goroutines.
type Clock func() Time

// MonotonicClock returns a clock that starts now.
func MonotonicClock() Clock {
	start := time.Now()
	return func() Time { return Time(time.Since(start).Nanoseconds()) }
}

// Increasing returns a clock that never returns the same time twice: at least one
// nanosecond more than the last. With a coarse clock, or a simulated one that
// stands still while something runs, many transactions seem to have run at the
// same time; then real time tells little of their order, and
// CheckLinearizable has to try a great many.
func Increasing(clock Clock) Clock {
	var last atomic.Int64
	return func() Time {
		now := int64(clock())
		for {
			before := last.Load()
			next := max(now, before+1)
			if last.CompareAndSwap(before, next) {
				return Time(next)
			}
		}
	}
}

// Recorder collects what clients see, for one history. It is safe for
// concurrent use.
type Recorder struct {
	workload Workload
	clock    Clock
	// values is the first unique value that no client has drawn yet.
	values atomic.Uint64
	mu     struct {
		sync.Mutex
		clients map[ClientID]*Client
	}
}

// NewRecorder returns a recorder without transactions.
func NewRecorder(w Workload, clock Clock) *Recorder {
	r := &Recorder{workload: w, clock: clock}
	r.values.Store(1)
	r.mu.clients = map[ClientID]*Client{}
	return r
}

// Client returns the client of that id, the same one each time.
func (r *Recorder) Client(id ClientID) *Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.mu.clients[id]
	if c == nil {
		c = &Client{recorder: r, id: id}
		r.mu.clients[id] = c
	}
	return c
}

// History returns what was recorded so far, ordered by invocation. Transactions
// that are under way are in it as Unknown: others may have seen what they did.
// Recording may go on meanwhile, but then the history is not a consistent cut:
// it may have a read and lack the write that it saw.
func (r *Recorder) History() *History {
	r.mu.Lock()
	clients := make([]*Client, 0, len(r.mu.clients))
	for _, c := range r.mu.clients {
		clients = append(clients, c)
	}
	r.mu.Unlock()
	slices.SortFunc(clients, func(a, b *Client) int { return int(int64(a.id) - int64(b.id)) })
	h := &History{Workload: r.workload}
	for _, c := range clients {
		h.Txns = c.collect(h.Txns, r.clock())
	}
	// Stable: what one client invoked at the same time stays in its order.
	slices.SortStableFunc(h.Txns, func(a, b Txn) int {
		switch {
		case a.Invoke < b.Invoke:
			return -1
		case a.Invoke > b.Invoke:
			return 1
		}
		return 0
	})
	return h
}

// Client records the transactions of one logical process, one at a time. A
// goroutine that keeps several transactions in flight uses a Client for each.
type Client struct {
	recorder *Recorder
	id       ClientID
	// The lock is there for History, and for outcomes that another goroutine
	// reports; else it is uncontended.
	mu struct {
		sync.Mutex
		txns   []Txn // ended
		open   bool
		invoke Time
		ops    []Op // the chunk in use; that of the open transaction are ops[first:]
		first  int
		values []Value // the chunk in use
		unique Value   // the next unique value
		left   int     // how many of the block are left
	}
}

// Unique returns a value that no client of the recorder has been given before.
func (c *Client) Unique() Value {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &c.mu
	if m.left == 0 {
		m.unique = Value(c.recorder.values.Add(valueBlock) - valueBlock)
		m.left = valueBlock
	}
	v := m.unique
	m.unique++
	m.left--
	return v
}

// Begin starts a transaction: its interval begins now. The one before must have
// ended.
func (c *Client) Begin() Tx {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.open {
		panic(fmt.Sprintf("history: client %d begins a transaction inside another", c.id))
	}
	c.mu.open = true
	c.mu.first = len(c.mu.ops)
	c.mu.invoke = c.recorder.clock()
	return Tx{c, len(c.mu.txns)}
}

// collect appends the client's transactions to txns.
func (c *Client) collect(txns []Txn, now Time) []Txn {
	c.mu.Lock()
	defer c.mu.Unlock()
	txns = append(txns, c.mu.txns...)
	if c.mu.open {
		txns = append(txns, Txn{
			Client: c.id, Outcome: Unknown, Invoke: c.mu.invoke, Complete: max(now, c.mu.invoke),
			Ops: slices.Clone(c.mu.ops[c.mu.first:]), // Restart reuses the place
		})
	}
	return txns
}

// add records an operation of the open transaction.
func (c *Client) add(op Op) {
	m := &c.mu
	if len(m.ops) == cap(m.ops) {
		open := m.ops[m.first:]
		m.ops = append(make([]Op, 0, max(chunkOps, 2*len(open))), open...)
		m.first = 0
	}
	m.ops = append(m.ops, op)
}

// keep copies a list into the client's memory.
func (c *Client) keep(list []Value) []Value {
	if len(list) == 0 {
		return nil
	}
	m := &c.mu
	if len(m.values)+len(list) > cap(m.values) {
		m.values = make([]Value, 0, max(chunkValues, len(list)))
	}
	at := len(m.values)
	m.values = append(m.values, list...)
	return m.values[at:len(m.values):len(m.values)]
}

// end closes the open transaction.
func (c *Client) end(outcome Outcome) {
	m := &c.mu
	m.txns = append(m.txns, Txn{
		Client: c.id, Outcome: outcome, Invoke: m.invoke, Complete: c.recorder.clock(),
		Ops: m.ops[m.first:len(m.ops):len(m.ops)],
	})
	m.open = false
}

// Tx records one transaction. Call a method for each operation, reads after
// their result is known, and then one of OK, Fail and Unknown. A write that was
// sent has to be recorded before its outcome is known, lest a crash between the
// two leave it out.
type Tx struct {
	client *Client
	number int // of the client's transactions
}

// lock returns the client, locked, with t its open transaction.
func (t Tx) lock() *Client {
	c := t.client
	c.mu.Lock()
	if !c.mu.open || len(c.mu.txns) != t.number {
		c.mu.Unlock()
		panic(fmt.Sprintf("history: transaction %d of client %d was used after its end", t.number, c.id))
	}
	return c
}

func (t Tx) add(op Op) {
	c := t.lock()
	defer c.mu.Unlock()
	c.add(op)
}

// Append records that value was appended to the list of key.
func (t Tx) Append(key Key, value Value) { t.add(Op{Kind: OpAppend, Key: key, Value: value}) }

// List records that the list of key was read. The slice is copied.
func (t Tx) List(key Key, list []Value) {
	c := t.lock()
	defer c.mu.Unlock()
	c.add(Op{Kind: OpList, Key: key, List: c.keep(list)})
}

// Write records that key was set to value.
func (t Tx) Write(key Key, value Value) { t.add(Op{Kind: OpWrite, Key: key, Value: value}) }

// Delete records that key was deleted.
func (t Tx) Delete(key Key) { t.add(Op{Kind: OpDelete, Key: key}) }

// Read records that key was read: as value, or without one if not found.
func (t Tx) Read(key Key, value Value, found bool) {
	if !found {
		value = 0
	}
	t.add(Op{Kind: OpRead, Key: key, Value: value, Found: found})
}

// Insert records an insertion that fails if key is present, and did not fail:
// a read that finds nothing, and a write.
func (t Tx) Insert(key Key, value Value) {
	c := t.lock()
	defer c.mu.Unlock()
	c.add(Op{Kind: OpRead, Key: key})
	c.add(Op{Kind: OpWrite, Key: key, Value: value})
}

// Range records that all keys from from up to but not including to were read,
// and what was found. The slice is copied.
func (t Tx) Range(from, to Key, found []Pair) {
	t.add(Op{Kind: OpRange, Key: from, To: to, Pairs: append([]Pair(nil), found...)})
}

// Restart forgets the operations recorded so far: the database runs the
// transaction's function again, and nothing of the attempt before can have an
// effect. The interval stays. To have the attempt's writes known as aborted, so
// that a read of them is named so, end it with Fail and begin another.
func (t Tx) Restart() {
	c := t.lock()
	defer c.mu.Unlock()
	c.mu.ops = c.mu.ops[:c.mu.first]
}

// OK records that the transaction took effect.
func (t Tx) OK() { t.end(OK) }

// Fail records that the transaction had no effect and never will have.
func (t Tx) Fail() { t.end(Failed) }

// Unknown records that the client gave up without knowing the outcome.
func (t Tx) Unknown() { t.end(Unknown) }

func (t Tx) end(outcome Outcome) {
	c := t.lock()
	defer c.mu.Unlock()
	c.end(outcome)
}

package history

import (
	"cmp"
	"fmt"
	"slices"
)

// regWrite is a write or deletion of the history.
type regWrite struct {
	txn     TxnID
	key     keyID
	value   Value
	deletes bool
	last    bool // the transaction's last to this key
	// version is what it installed, noVersion if it is not the last or not
	// known to have taken effect.
	version versionID
}

// versionID numbers the versions of all keys. That of no key's value at the
// start is its keyID.
type versionID int32

// noVersion stands for a version that is not known.
const noVersion versionID = -1

// version is what a key was from one committed transaction to the next.
type version struct {
	key   keyID
	write int32 // index into writes, -1 for the state at the start
	// parent is the version that the writer had read, so it comes before.
	parent versionID
	// parentTimed: what the writer read is only known from the clock.
	parentTimed bool
}

// regRead is what a committed transaction read of a key before it wrote it.
type regRead struct {
	txn       TxnID
	version   versionID
	predicate bool // by a range read only
	timed     bool // the version is only known from the clock
}

// access is all that a committed transaction did to a key: it found the version
// entry and left the version exit. Either is noVersion if it is not known.
type access struct {
	txn         TxnID
	key         keyID
	entry, exit versionID
}

// regCheck checks a history of registers or sets.
type regCheck struct {
	*checker
	writes   []regWrite
	byValue  map[keyValue]int32
	keyWrite [][]int32 // by key: its writes, in the order of the history
	universe []Key     // all keys that are written, sorted
	absences []*absences
	versions []version
	reads    []regRead
	accesses []access // ordered by transaction
}

// CheckRegisters checks a history of registers. The error wraps ErrMalformed.
func CheckRegisters(h *History, opt Options) (Result, error) {
	return checkRegisters(h, Registers, opt)
}

// CheckSets checks a history of sets: a range read counts as a read of each key
// of the range that any transaction of the history writes or deletes, whether it
// was found or not. Keys that nobody ever writes cannot change anything. The
// error wraps ErrMalformed.
func CheckSets(h *History, opt Options) (Result, error) {
	return checkRegisters(h, Sets, opt)
}

func checkRegisters(h *History, w Workload, opt Options) (Result, error) {
	base, err := newChecker(h, w, opt)
	if err != nil {
		return Result{}, err
	}
	c := &regCheck{checker: base, byValue: map[keyValue]int32{}}
	c.index()
	c.settle(c.observe)
	c.time = newTimeline(h, c.committed)
	c.numberVersions()
	c.collectAccesses()
	c.findLostUpdates()
	order := c.orderVersions()
	c.addEdges(order)
	c.addTime()
	c.findCycles(c.why)
	c.reportVersionCycles(order)
	return c.result(), nil
}

// index numbers all written keys and all writes.
func (c *regCheck) index() {
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			op := &c.h.Txns[t].Ops[i]
			if op.Kind != OpWrite && op.Kind != OpDelete {
				continue
			}
			id, n := c.id(op.Key), int32(len(c.writes))
			if int(id) == len(c.keyWrite) {
				c.keyWrite = append(c.keyWrite, nil)
			}
			if of := c.keyWrite[id]; len(of) > 0 && c.writes[of[len(of)-1]].txn == TxnID(t) {
				c.writes[of[len(of)-1]].last = false
			}
			c.keyWrite[id] = append(c.keyWrite[id], n)
			w := regWrite{txn: TxnID(t), key: id, last: true, version: noVersion}
			if op.Kind == OpDelete {
				w.deletes = true
			} else {
				w.value = op.Value
				c.byValue[keyValue{id, op.Value}] = n
			}
			c.writes = append(c.writes, w)
		}
	}
	c.universe = slices.Sorted(slices.Values(c.names))
}

// observe calls saw for the writers of all that t read.
func (c *regCheck) observe(t TxnID, saw func(TxnID)) {
	c.h.Txns[t].eachFound(func(k Key, v Value) {
		id, written := c.ids[k]
		if !written {
			return
		}
		if w, ok := c.byValue[keyValue{id, v}]; ok {
			saw(c.writes[w].txn)
		}
	})
}

// numberVersions gives each key a version for its start, and each committed
// transaction one for each key that it wrote.
func (c *regCheck) numberVersions() {
	for k := range c.names {
		c.versions = append(c.versions, version{key: keyID(k), write: -1, parent: noVersion})
	}
	for i := range c.writes {
		if w := &c.writes[i]; w.last && c.committed[w.txn] {
			w.version = versionID(len(c.versions))
			c.versions = append(c.versions, version{key: w.key, write: int32(i), parent: noVersion})
		}
	}
	c.absences = make([]*absences, len(c.names))
}

// start tells whether v is what a key was at the start.
func (c *regCheck) start(v versionID) bool { return int(v) < len(c.names) }

// writer returns who wrote v, -1 for what a key was at the start.
func (c *regCheck) writer(v versionID) TxnID {
	if c.start(v) {
		return -1
	}
	return c.writes[c.versions[v].write].txn
}

// regState is what a transaction has done to a key so far.
type regState struct {
	txn   TxnID // whose state this is
	known bool  // value and found say what it has to read next
	wrote bool
	found bool
	value Value
	read  int32 // index into reads, -1 if it did not read before it wrote
}

// collectAccesses goes through all committed transactions.
func (c *regCheck) collectAccesses() {
	states := make([]regState, len(c.names))
	for i := range states {
		states[i].txn = -1
	}
	var touched []keyID
	for i := range c.h.Txns {
		if !c.committed[i] {
			continue
		}
		touched = touched[:0]
		w := &walker{regCheck: c, txn: TxnID(i), states: states, touched: touched}
		w.walk()
		touched = w.touched
	}
}

// walker goes through the operations of one transaction.
type walker struct {
	*regCheck
	txn     TxnID
	states  []regState // by key
	touched []keyID
}

func (w *walker) walk() {
	for i := range w.h.Txns[w.txn].Ops {
		op := &w.h.Txns[w.txn].Ops[i]
		switch op.Kind {
		case OpRead:
			w.read(op.Key, op.Value, op.Found, false)
		case OpRange:
			w.readRange(op)
		case OpWrite, OpDelete:
			s := w.state(w.ids[op.Key])
			s.known, s.wrote, s.found, s.value = true, true, op.Kind == OpWrite, op.Value
			if !s.found {
				s.value = 0
			}
		}
	}
	for _, k := range w.touched {
		w.end(k, &w.states[k])
	}
}

func (w *walker) state(k keyID) *regState {
	s := &w.states[k]
	if s.txn != w.txn {
		*s = regState{txn: w.txn, read: -1}
		w.touched = append(w.touched, k)
	}
	return s
}

// end records what the transaction did to a key in all.
func (w *walker) end(k keyID, s *regState) {
	a := access{txn: w.txn, key: k, entry: noVersion, exit: noVersion}
	if s.read >= 0 {
		a.entry = w.reads[s.read].version
		a.exit = a.entry
	}
	if s.wrote {
		a.exit = w.versionOf(w.txn, k)
		if s.read >= 0 {
			v := &w.versions[a.exit]
			v.parent, v.parentTimed = a.entry, w.reads[s.read].timed
		} else {
			a.entry = a.exit
		}
	}
	if a.entry != noVersion {
		w.accesses = append(w.accesses, a)
	}
}

// versionOf returns what t installed at k.
func (c *regCheck) versionOf(t TxnID, k keyID) versionID {
	of := c.keyWrite[k]
	i, _ := slices.BinarySearchFunc(of, t, func(w int32, t TxnID) int { return cmp.Compare(c.writes[w].txn, t) })
	for ; i < len(of) && c.writes[of[i]].txn == t; i++ {
		if v := c.writes[of[i]].version; v != noVersion {
			return v
		}
	}
	return noVersion
}

// readRange takes in a range read as a read of each key of the universe.
func (w *walker) readRange(op *Op) {
	pairs := slices.Clone(op.Pairs)
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(a.Key, b.Key) })
	at, _ := slices.BinarySearch(w.universe, op.Key)
	for i, p := range pairs {
		if p.Key < op.Key || p.Key >= op.To || i > 0 && p.Key == pairs[i-1].Key {
			w.found.add(GarbageRead, []TxnID{w.txn}, func() string {
				return w.describeAll([]TxnID{w.txn}, p.Key, op.Key) +
					fmt.Sprintf("\n%s has key %d twice, or it is outside of its bounds", op, p.Key)
			})
			continue
		}
		for ; at < len(w.universe) && w.universe[at] < p.Key; at++ {
			w.read(w.universe[at], 0, false, true)
		}
		w.read(p.Key, p.Value, true, true)
		if at < len(w.universe) && w.universe[at] == p.Key {
			at++
		}
	}
	for ; at < len(w.universe) && w.universe[at] < op.To; at++ {
		w.read(w.universe[at], 0, false, true)
	}
}

// read takes in a read of a key.
func (w *walker) read(key Key, value Value, found, predicate bool) {
	id, written := w.ids[key]
	if !written {
		if found {
			w.garbage(key, value)
		}
		return
	}
	s := w.state(id)
	if s.known {
		w.compare(key, s, value, found)
		if s.read >= 0 && !s.wrote && !predicate {
			w.reads[s.read].predicate = false
		}
		return
	}
	s.known, s.found, s.value = true, found, value
	r := regRead{txn: w.txn, version: noVersion, predicate: predicate}
	if found {
		r.version = w.versionRead(key, id, value)
	} else {
		r.version, r.timed = w.versionAbsent(id, w.txn)
		if r.version == noVersion {
			w.unresolved++
		}
	}
	if r.version != noVersion {
		s.read = int32(len(w.reads))
		w.reads = append(w.reads, r)
	}
}

// compare holds a read against what the transaction knows.
func (w *walker) compare(key Key, s *regState, value Value, found bool) {
	if found == s.found && (!found || value == s.value) {
		return
	}
	knows := "nothing"
	if s.found {
		knows = fmt.Sprint(s.value)
	}
	how := "it had read"
	if s.wrote {
		how = "it had written"
	}
	w.found.add(Internal, []TxnID{w.txn}, func() string {
		return w.describeAll([]TxnID{w.txn}, key) + fmt.Sprintf("\nAt key %d %s %s before", key, how, knows)
	})
}

// versionRead returns the version with a value, and reports values that should
// not have been read.
func (w *walker) versionRead(key Key, id keyID, value Value) versionID {
	i, ok := w.byValue[keyValue{id, value}]
	if !ok {
		w.garbage(key, value)
		return noVersion
	}
	from := &w.writes[i]
	if from.txn == w.txn {
		w.found.add(Internal, []TxnID{w.txn}, func() string {
			return w.describeAll([]TxnID{w.txn}, key) + fmt.Sprintf("\nIt read %d from key %d before it wrote it", value, key)
		})
		return noVersion
	}
	if w.h.Txns[from.txn].Outcome == Failed {
		w.aborted(key, id, from)
		return noVersion
	}
	if !from.last {
		txns := distinct(from.txn, w.txn)
		w.found.add(G1b, txns, func() string {
			return w.describeAll(txns, key) +
				fmt.Sprintf("\nT%d read key %d as %d, which T%d itself replaced", w.txn, key, value, from.txn)
		})
		w.b.add(node(from.txn), edge{to: node(w.txn), key: id, kind: edgeWR})
	}
	return from.version
}

func (w *walker) garbage(key Key, value Value) {
	w.found.add(GarbageRead, []TxnID{w.txn}, func() string {
		return w.describeAll([]TxnID{w.txn}, key) + fmt.Sprintf("\nNobody ever wrote %d to key %d", value, key)
	})
}

// aborted reports a read of what a failed transaction wrote, and the write that
// builds on it if there is one.
func (w *walker) aborted(key Key, id keyID, from *regWrite) {
	txns := distinct(from.txn, w.txn)
	w.found.add(G1a, txns, func() string {
		return w.describeAll(txns, key) +
			fmt.Sprintf("\nT%d failed, but T%d read the %d that it wrote to key %d", from.txn, w.txn, from.value, key)
	})
	if w.versionOf(w.txn, id) == noVersion {
		return
	}
	w.found.add(DirtyUpdate, txns, func() string {
		return w.describeAll(txns, key) +
			fmt.Sprintf("\nT%d failed, but T%d read key %d as T%d left it, and wrote the next value", from.txn, w.txn, key, from.txn)
	})
}

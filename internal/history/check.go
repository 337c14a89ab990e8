package history

import "slices"

// Consistency is the promise that a history is held against.
type Consistency uint8

const (
	// StrictSerializable: there is one order of all transactions that explains
	// every result, and in which a transaction that was over before another
	// began comes before it.
	StrictSerializable Consistency = iota
	// SessionSerializable: only the transactions of the same client keep their
	// order.
	SessionSerializable
	// Serializable: there is an order, whatever happened when. Use it for reads
	// of stale snapshots.
	Serializable
)

// perKindDefault is how many anomalies of a kind are reported by default.
const perKindDefault = 8

// Options says what to check. The zero Options is for strict serializability.
type Options struct {
	Consistency Consistency
	// LinearizableKeys takes it for granted, at weaker levels of consistency
	// too, that the versions of one key follow each other in real time. More of
	// the version order is known then.
	LinearizableKeys bool
	// PerKindMax is how many anomalies of a kind are reported; 0 stands for 8.
	PerKindMax int
}

// Check checks h with the checker of its workload. The error wraps ErrMalformed.
func Check(h *History, opt Options) (Result, error) {
	switch h.Workload {
	case Lists:
		return CheckListAppend(h, opt)
	case Sets:
		return CheckSets(h, opt)
	}
	return CheckRegisters(h, opt)
}

// checker is what the checks of all workloads share.
type checker struct {
	h         *History
	opt       Options
	found     *findings
	committed []bool // by TxnID: known to have taken effect
	time      *timeline
	ids       map[Key]keyID
	names     []Key // by keyID
	b         *graphBuilder
	// lost are the transactions of lost updates: searches for weaker anomalies
	// do not report them again.
	lost []TxnID
	// explained are keys at which a cycle or a lost update was reported.
	explained  map[keyID]bool
	unresolved int
}

func newChecker(h *History, w Workload, opt Options) (*checker, error) {
	if h.Workload != w {
		return nil, malformed("a history of %s was given to the check of %s", h.Workload, w)
	}
	if err := h.Validate(); err != nil {
		return nil, err
	}
	if opt.PerKindMax <= 0 {
		opt.PerKindMax = perKindDefault
	}
	c := &checker{
		h: h, opt: opt,
		found:     newFindings(opt.PerKindMax),
		committed: make([]bool, len(h.Txns)),
		ids:       map[Key]keyID{},
		b:         newGraphBuilder(len(h.Txns)),
		explained: map[keyID]bool{},
	}
	for i := range h.Txns {
		c.committed[i] = h.Txns[i].Outcome == OK
	}
	return c, nil
}

// id returns the number of a key, a new one the first time.
func (c *checker) id(k Key) keyID {
	id, ok := c.ids[k]
	if !ok {
		id = keyID(len(c.names))
		c.ids[k] = id
		c.names = append(c.names, k)
	}
	return id
}

// timedKeys tells whether the order of versions may be taken from the clock.
func (c *checker) timedKeys() bool {
	return c.opt.Consistency == StrictSerializable || c.opt.LinearizableKeys
}

// addTime adds the edges that the level of consistency demands.
func (c *checker) addTime() {
	if c.opt.Consistency != Serializable {
		addProcess(c.b, c.h, c.committed)
	}
	if c.opt.Consistency == StrictSerializable {
		c.time.addRealtime(c.b, c.h)
	}
}

// result ends a check.
func (c *checker) result() Result {
	r := Result{Anomalies: c.found.sorted(), Omitted: c.found.omitted, Unresolved: c.unresolved}
	for _, yes := range c.committed {
		if yes {
			r.Committed++
		}
	}
	return r
}

// settle marks those transactions of unknown outcome as committed whose writes
// were seen by committed transactions. observe calls saw for each transaction
// whose write it sees.
func (c *checker) settle(observe func(t TxnID, saw func(TxnID))) {
	open := 0
	for i := range c.h.Txns {
		if c.h.Txns[i].Outcome == Unknown && len(c.h.Txns[i].Ops) > 0 {
			open++
		}
	}
	if open == 0 {
		return
	}
	var work []TxnID
	for i, yes := range c.committed {
		if yes {
			work = append(work, TxnID(i))
		}
	}
	for len(work) > 0 {
		t := work[len(work)-1]
		work = work[:len(work)-1]
		observe(t, func(writer TxnID) {
			if c.h.Txns[writer].Outcome == Unknown && !c.committed[writer] {
				c.committed[writer] = true
				work = append(work, writer)
			}
		})
	}
}

// describeAll returns the transactions' operations on some keys, a line each.
func (c *checker) describeAll(txns []TxnID, keys ...Key) string {
	text := ""
	for i, t := range txns {
		if i == shownTxnsMax {
			break
		}
		if i > 0 {
			text += "\n"
		}
		text += c.h.describe(t, keys)
	}
	return text
}

// shownTxnsMax is how many transactions an explanation describes.
const shownTxnsMax = 16

// distinct returns the transactions without repetitions, in the same order.
func distinct(txns ...TxnID) []TxnID {
	var out []TxnID
	for _, t := range txns {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

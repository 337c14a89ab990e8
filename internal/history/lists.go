package history

import (
	"fmt"
	"slices"
)

// listAppend is an append of the history.
type listAppend struct {
	txn   TxnID
	key   keyID
	value Value
	last  bool  // the transaction's last to this key
	pos   int32 // in the key's longest list, -1 if it is not there
	// seen: a committed read has it, in whatever order.
	seen bool
	// seenUntil is when the last reader that saw it was over.
	seenUntil Time
	lost      bool
}

// listRead is what a committed transaction read of a key before its own appends.
type listRead struct {
	txn     TxnID
	list    []Value
	appends bool // it appends to the key too
	fits    bool // the key's longest list begins so
	partial bool // it ends between two appends of a transaction
}

// listKey is all about one key.
type listKey struct {
	reads   []listRead
	appends []int32 // in the order of transactions, then of operations
	// longest is the longest list that was read, by the transaction longestTxn.
	// It is the order of the key's versions: each list is how it began.
	longest    []Value
	longestTxn TxnID
	// at is the append of each position of longest, -1 where there is none that
	// counts: of a failed transaction, garbage, or there before.
	at []int32
	// readers is, for each length, the first transaction that read as much of
	// longest or more. Filled in when it is needed.
	readers []TxnID
}

type keyValue struct {
	key   keyID
	value Value
}

// listCheck checks a history of lists.
type listCheck struct {
	*checker
	keys    []listKey
	appends []listAppend
	byValue map[keyValue]int32
}

// CheckListAppend checks a history of lists. The error wraps ErrMalformed.
func CheckListAppend(h *History, opt Options) (Result, error) {
	base, err := newChecker(h, Lists, opt)
	if err != nil {
		return Result{}, err
	}
	c := &listCheck{checker: base, byValue: map[keyValue]int32{}}
	c.index()
	c.settle(c.observe)
	c.time = newTimeline(h, c.committed)
	c.collectReads()
	for k := range c.keys {
		c.orderVersions(keyID(k))
		c.checkElements(keyID(k))
		c.checkOwnOrder(keyID(k))
		c.checkIntermediate(keyID(k))
		c.findLostWrites(keyID(k))
		c.findLostUpdates(keyID(k))
		c.addEdges(keyID(k))
	}
	c.addTime()
	c.findCycles(c.why)
	return c.result(), nil
}

// key returns the number of a key and makes room for it.
func (c *listCheck) key(k Key) keyID {
	id := c.id(k)
	for int(id) >= len(c.keys) {
		c.keys = append(c.keys, listKey{longestTxn: -1})
	}
	return id
}

// index numbers all keys and appends.
func (c *listCheck) index() {
	for t := range c.h.Txns {
		for i := range c.h.Txns[t].Ops {
			op := &c.h.Txns[t].Ops[i]
			id := c.key(op.Key)
			if op.Kind != OpAppend {
				continue
			}
			k, n := &c.keys[id], int32(len(c.appends))
			if m := len(k.appends); m > 0 && c.appends[k.appends[m-1]].txn == TxnID(t) {
				c.appends[k.appends[m-1]].last = false
			}
			k.appends = append(k.appends, n)
			c.byValue[keyValue{id, op.Value}] = n
			c.appends = append(c.appends, listAppend{txn: TxnID(t), key: id, value: op.Value, last: true, pos: -1, seenUntil: -never})
		}
	}
}

// observe calls saw for the writers of all that t read. Values that the key's
// longest list so far shows were dealt with when that list was read.
func (c *listCheck) observe(t TxnID, saw func(TxnID)) {
	for i := range c.h.Txns[t].Ops {
		op := &c.h.Txns[t].Ops[i]
		if op.Kind != OpList {
			continue
		}
		id := c.ids[op.Key]
		k, fresh := &c.keys[id], op.List
		if n := min(len(k.longest), len(op.List)); slices.Equal(k.longest[:n], op.List[:n]) {
			fresh = op.List[n:]
		}
		if len(op.List) > len(k.longest) {
			k.longest = op.List
		}
		for _, v := range fresh {
			if a, ok := c.byValue[keyValue{id, v}]; ok {
				saw(c.appends[a].txn)
			}
		}
	}
}

// listState is what a transaction has done to a key so far.
type listState struct {
	txn  TxnID // whose state this is
	own  []Value
	read int // index into the key's reads, -1 before the first read
	bad  bool
}

// collectReads finds for each committed transaction and key what the transaction
// read, and compares all reads with what it did before.
func (c *listCheck) collectReads() {
	states := make([]listState, len(c.keys))
	for i := range states {
		states[i].txn = -1
	}
	for i := range c.h.Txns {
		if !c.committed[i] {
			continue
		}
		t := TxnID(i)
		for j := range c.h.Txns[i].Ops {
			op := &c.h.Txns[i].Ops[j]
			id := c.ids[op.Key]
			s, k := &states[id], &c.keys[id]
			if s.txn != t {
				*s = listState{txn: t, own: s.own[:0], read: -1}
			}
			if op.Kind == OpAppend {
				s.own = append(s.own, op.Value)
				if s.read >= 0 {
					k.reads[s.read].appends = true
				}
				continue
			}
			c.read(t, op, s, k)
		}
	}
}

// read takes in one read of a list.
func (c *listCheck) read(t TxnID, op *Op, s *listState, k *listKey) {
	if s.bad {
		return
	}
	n := len(op.List) - len(s.own)
	agrees := n >= 0 && slices.Equal(op.List[n:], s.own)
	if agrees && s.read >= 0 {
		agrees = slices.Equal(op.List[:n], k.reads[s.read].list)
	}
	if !agrees {
		s.bad = true
		c.found.add(Internal, []TxnID{t}, func() string {
			text := c.describeAll([]TxnID{t}, op.Key) + fmt.Sprintf("\n%s should ", op)
			if s.read >= 0 {
				return text + fmt.Sprintf("be what it read first, %s, and then its own appends, %s", listText(k.reads[s.read].list), listText(s.own))
			}
			return text + "end in its own appends, " + listText(s.own)
		})
		return
	}
	if s.read < 0 {
		s.read = len(k.reads)
		k.reads = append(k.reads, listRead{txn: t, list: op.List[:n], appends: len(s.own) > 0})
	}
}

// orderVersions finds the key's longest list and the reads that do not fit it.
func (c *listCheck) orderVersions(id keyID) {
	k := &c.keys[id]
	k.longest, k.longestTxn = nil, -1
	for i := range k.reads {
		if r := &k.reads[i]; k.longestTxn < 0 || len(r.list) > len(k.longest) {
			k.longest, k.longestTxn = r.list, r.txn
		}
	}
	for i := range k.reads {
		r := &k.reads[i]
		r.fits = slices.Equal(r.list, k.longest[:len(r.list)])
		if r.fits {
			continue
		}
		txns := distinct(r.txn, k.longestTxn)
		c.found.add(IncompatibleOrder, txns, func() string {
			at := 0
			for r.list[at] == k.longest[at] {
				at++
			}
			return c.describeAll(txns, c.names[id]) + fmt.Sprintf(
				"\nAt position %d of key %d one read %d and the other %d; a list only grows", at, c.names[id], r.list[at], k.longest[at])
		})
	}
}

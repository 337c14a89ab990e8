package history

import (
	"cmp"
	"fmt"
	"slices"
)

// checkElements looks at each value that was read: who wrote it, and did he
// commit?
func (c *listCheck) checkElements(id keyID) {
	k := &c.keys[id]
	k.at = make([]int32, len(k.longest))
	failed := int32(-1) // an append that committed ones build on
	for pos, v := range k.longest {
		k.at[pos] = -1
		a, ok := c.byValue[keyValue{id, v}]
		if !ok {
			c.garbage(id, v, c.firstReader(id, pos))
			continue
		}
		w := &c.appends[a]
		if w.pos >= 0 {
			c.duplicate(id, v, c.firstReader(id, pos))
			continue
		}
		w.pos, w.seen = int32(pos), true
		if c.h.Txns[w.txn].Outcome == Failed {
			c.aborted(a, c.firstReader(id, pos))
			failed = a
			continue
		}
		k.at[pos] = a
		if failed >= 0 {
			c.dirtyUpdate(failed, a)
			failed = -1
		}
	}
	for i := range k.reads {
		if r := &k.reads[i]; !r.fits {
			c.checkMisfit(id, r)
		}
	}
	c.noteSeen(id)
}

// checkMisfit looks at the values of a read that does not fit the longest list.
func (c *listCheck) checkMisfit(id keyID, r *listRead) {
	twice := map[Value]bool{}
	for _, v := range r.list {
		a, ok := c.byValue[keyValue{id, v}]
		switch {
		case !ok:
			c.garbage(id, v, r.txn)
			continue
		case twice[v]:
			c.duplicate(id, v, r.txn)
		case c.h.Txns[c.appends[a].txn].Outcome == Failed && c.appends[a].pos < 0:
			c.aborted(a, r.txn)
		}
		twice[v] = true
		w := &c.appends[a]
		w.seen = true
		w.seenUntil = max(w.seenUntil, c.h.Txns[r.txn].done())
	}
}

// noteSeen finds out until when the values of the longest list were seen.
func (c *listCheck) noteSeen(id keyID) {
	k := &c.keys[id]
	until := make([]Time, len(k.longest)+1) // by length of the list read
	for i := range until {
		until[i] = -never
	}
	for i := range k.reads {
		if r := &k.reads[i]; r.fits {
			until[len(r.list)] = max(until[len(r.list)], c.h.Txns[r.txn].done())
		}
	}
	latest := -never
	for pos := len(k.longest) - 1; pos >= 0; pos-- {
		latest = max(latest, until[pos+1])
		if a := k.at[pos]; a >= 0 {
			c.appends[a].seenUntil = max(c.appends[a].seenUntil, latest)
		}
	}
}

// firstReader returns the first transaction that read the longest list beyond a
// position.
func (c *listCheck) firstReader(id keyID, pos int) TxnID {
	k := &c.keys[id]
	if k.readers == nil {
		k.readers = make([]TxnID, len(k.longest)+1)
		for i := range k.readers {
			k.readers[i] = k.longestTxn
		}
		for i := range slices.Backward(k.reads) {
			if r := &k.reads[i]; r.fits {
				k.readers[len(r.list)] = r.txn
			}
		}
		// In the order of the history, whoever read further counts too.
		for n := len(k.longest) - 1; n >= 0; n-- {
			k.readers[n] = min(k.readers[n], k.readers[n+1])
		}
	}
	return k.readers[pos+1]
}

func (c *listCheck) garbage(id keyID, v Value, reader TxnID) {
	c.found.add(GarbageRead, []TxnID{reader}, func() string {
		return c.describeAll([]TxnID{reader}, c.names[id]) + fmt.Sprintf("\nNobody ever appended %d to key %d", v, c.names[id])
	})
}

func (c *listCheck) duplicate(id keyID, v Value, reader TxnID) {
	c.found.add(DuplicateAppend, []TxnID{reader}, func() string {
		return c.describeAll([]TxnID{reader}, c.names[id]) +
			fmt.Sprintf("\nThe list of key %d has %d twice, which was appended once", c.names[id], v)
	})
}

func (c *listCheck) aborted(a int32, reader TxnID) {
	w := &c.appends[a]
	txns := distinct(w.txn, reader)
	c.found.add(G1a, txns, func() string {
		return c.describeAll(txns, c.names[w.key]) +
			fmt.Sprintf("\nT%d failed, but T%d read the %d that it appended to key %d", w.txn, reader, w.value, c.names[w.key])
	})
}

func (c *listCheck) dirtyUpdate(failed, next int32) {
	f, w := &c.appends[failed], &c.appends[next]
	txns := distinct(f.txn, w.txn)
	c.found.add(DirtyUpdate, txns, func() string {
		return c.describeAll(txns, c.names[f.key]) +
			fmt.Sprintf("\nT%d failed, but the %d that T%d appended to key %d comes after its %d", f.txn, w.value, w.txn, c.names[f.key], f.value)
	})
}

// checkOwnOrder compares the order of a transaction's appends to the key with
// that of the list, and finds reads that saw appends of their own transaction
// before it did them.
func (c *listCheck) checkOwnOrder(id keyID) {
	k := &c.keys[id]
	for i, a := range k.appends {
		if i == 0 {
			continue
		}
		v, w := &c.appends[k.appends[i-1]], &c.appends[a]
		if v.txn != w.txn || w.pos < 0 || v.pos < w.pos {
			continue
		}
		c.found.add(IncompatibleOrder, []TxnID{w.txn}, func() string {
			return c.describeAll([]TxnID{w.txn}, c.names[id]) +
				fmt.Sprintf("\nIt appended %d before %d, but the list has them the other way round, says T%d", v.value, w.value, c.firstReader(id, int(v.pos)))
		})
	}
	for i := range k.reads {
		if r := &k.reads[i]; r.appends {
			c.checkFuture(id, r)
		}
	}
}

// checkFuture finds a read that has a value which its own transaction appends
// only later.
func (c *listCheck) checkFuture(id keyID, r *listRead) {
	for _, a := range c.appendsOf(r.txn, id) {
		w := &c.appends[a]
		if !r.fits || w.pos < 0 || int(w.pos) >= len(r.list) {
			continue
		}
		c.found.add(Internal, []TxnID{r.txn}, func() string {
			return c.describeAll([]TxnID{r.txn}, c.names[id]) +
				fmt.Sprintf("\nIt read %d in key %d before it appended it", w.value, c.names[id])
		})
		return
	}
}

// appendsOf returns t's appends to a key.
func (c *listCheck) appendsOf(t TxnID, id keyID) []int32 {
	of := c.keys[id].appends
	from, _ := slices.BinarySearchFunc(of, t, func(a int32, t TxnID) int { return cmp.Compare(c.appends[a].txn, t) })
	to := from
	for to < len(of) && c.appends[of[to]].txn == t {
		to++
	}
	return of[from:to]
}

// checkIntermediate finds reads that end between two appends of another
// transaction.
func (c *listCheck) checkIntermediate(id keyID) {
	k := &c.keys[id]
	for i := range k.reads {
		r := &k.reads[i]
		if len(r.list) == 0 {
			continue
		}
		a, ok := c.byValue[keyValue{id, r.list[len(r.list)-1]}]
		if !ok || c.appends[a].last || !c.committed[c.appends[a].txn] || c.appends[a].txn == r.txn {
			continue
		}
		w := &c.appends[a]
		all := c.appendsOf(w.txn, id)
		if last := all[len(all)-1]; slices.Contains(r.list, c.appends[last].value) {
			continue // in the wrong order, which is reported as such
		}
		r.partial = true
		txns := distinct(w.txn, r.txn)
		c.found.add(G1b, txns, func() string {
			return c.describeAll(txns, c.names[id]) +
				fmt.Sprintf("\nT%d read key %d up to %d, after which T%d appended more", r.txn, c.names[id], w.value, w.txn)
		})
	}
}

// findLostWrites finds appends that were acknowledged before a read that does not
// have them, began and that nobody saw afterwards.
func (c *listCheck) findLostWrites(id keyID) {
	if !c.timedKeys() {
		return
	}
	k := &c.keys[id]
	var last *listRead // the one that began last
	for i := range k.reads {
		if r := &k.reads[i]; last == nil || c.h.Txns[r.txn].Invoke > c.h.Txns[last.txn].Invoke {
			last = r
		}
	}
	if last == nil {
		return
	}
	began := c.h.Txns[last.txn].Invoke
	told := TxnID(-1) // whose lost appends to this key were reported
	for _, a := range k.appends {
		w := &c.appends[a]
		t := &c.h.Txns[w.txn]
		// Whoever saw it was over before the last read began, so the last read
		// did not see it.
		if t.Outcome != OK || began <= t.Complete || began <= w.seenUntil {
			continue
		}
		w.lost = true
		if w.txn == told {
			continue
		}
		told = w.txn
		txns := distinct(w.txn, last.txn)
		c.found.add(LostWrite, txns, func() string {
			return c.describeAll(txns, c.names[id]) + fmt.Sprintf(
				"\nT%d's append of %d to key %d was acknowledged at %d; T%d began at %d and did not see it, and nobody did after that",
				w.txn, w.value, c.names[id], t.Complete, last.txn, began)
		})
	}
}

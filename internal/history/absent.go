package history

import (
	"cmp"
	"slices"
)

// A read that finds nothing does not say who deleted what was there, or whether
// anything ever was. absences holds what tells, for one key.
type absences struct {
	// deletions that may have taken effect, by when they were over.
	deletions []deletion
	// firstWrite is when the first write was over: a read that began later
	// does not see the start.
	firstWrite Time
}

// deletion is a version that reads as nothing.
type deletion struct {
	version versionID // noVersion if it is not known to have taken effect
	txn     TxnID
	done    Time
	// overwritten is when it was certainly not the last write any more: a write
	// that began after it was over, was over.
	overwritten Time
	// earliest is when the first of this and all later deletions began.
	earliest Time
}

// absencesOf returns the absences of a key.
func (c *regCheck) absencesOf(k keyID) *absences {
	if c.absences[k] == nil {
		c.absences[k] = c.collectAbsences(k)
	}
	return c.absences[k]
}

func (c *regCheck) collectAbsences(k keyID) *absences {
	a := &absences{firstWrite: never}
	var writes []int32 // committed, by Invoke
	for _, i := range c.keyWrite[k] {
		w := &c.writes[i]
		t := &c.h.Txns[w.txn]
		if !w.last || t.Outcome == Failed {
			continue
		}
		if c.committed[w.txn] {
			writes = append(writes, i)
			a.firstWrite = min(a.firstWrite, t.done())
		}
		if w.deletes {
			a.deletions = append(a.deletions, deletion{version: w.version, txn: w.txn, done: t.done()})
		}
	}
	if len(a.deletions) == 0 {
		return a
	}
	invoke := func(i int32) Time { return c.h.Txns[c.writes[i].txn].Invoke }
	slices.SortStableFunc(writes, func(a, b int32) int { return cmp.Compare(invoke(a), invoke(b)) })
	over := make([]Time, len(writes)+1) // when the first of the writes from here on was over
	over[len(writes)] = never
	for i := len(writes) - 1; i >= 0; i-- {
		over[i] = min(over[i+1], c.h.Txns[c.writes[writes[i]].txn].done())
	}
	slices.SortStableFunc(a.deletions, func(a, b deletion) int { return cmp.Compare(a.done, b.done) })
	earliest := never
	for i := len(a.deletions) - 1; i >= 0; i-- {
		d := &a.deletions[i]
		after, _ := slices.BinarySearchFunc(writes, d.done, func(w int32, done Time) int {
			if invoke(w) > done {
				return 1
			}
			return -1
		})
		d.overwritten = over[after]
		earliest = min(earliest, c.h.Txns[d.txn].Invoke)
		d.earliest = earliest
	}
	return a
}

// versionAbsent returns the version that reader saw when it found nothing at k,
// noVersion if several may have been it. Where versions follow real time, it did
// not see a deletion that began after it was over, nor one that was overwritten
// before it began; timed tells that the answer rests on the latter.
func (c *regCheck) versionAbsent(k keyID, reader TxnID) (v versionID, timed bool) {
	a, t := c.absencesOf(k), &c.h.Txns[reader]
	possible := func(d *deletion) bool {
		return d.txn != reader && (!c.timedKeys() || c.h.Txns[d.txn].Invoke <= t.done())
	}
	saw, n := versionID(k), 1
	for i := 0; i < len(a.deletions) && n < 2; i++ {
		if c.timedKeys() && a.deletions[i].earliest > t.done() {
			break
		}
		if possible(&a.deletions[i]) {
			n++
		}
	}
	if n == 1 {
		return saw, false
	}
	if !c.timedKeys() {
		return noVersion, false
	}
	saw, n = noVersion, 0
	if a.firstWrite >= t.Invoke {
		saw, n = versionID(k), 1
	}
	// The later a deletion was over, the later it was overwritten.
	first, _ := slices.BinarySearchFunc(a.deletions, t.Invoke, func(d deletion, began Time) int {
		if d.overwritten >= began {
			return 1
		}
		return -1
	})
	for i := first; i < len(a.deletions) && a.deletions[i].earliest <= t.done(); i++ {
		if !possible(&a.deletions[i]) {
			continue
		}
		if n++; n == 2 {
			return noVersion, false
		}
		saw = a.deletions[i].version
	}
	if n > 0 {
		return saw, true
	}
	// Whatever it saw was overwritten. Any answer makes a cycle: take the last.
	for i := first - 1; i >= 0; i-- {
		if possible(&a.deletions[i]) {
			return a.deletions[i].version, true
		}
	}
	return versionID(k), true
}

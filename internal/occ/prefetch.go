package occ

import "github.com/godwitdb/godwit/internal/index"

// prefetchMax is how many keys Prefetch takes in one call.
const prefetchMax = 64

// coming is what Prefetch has asked for in its last call.
type coming struct {
	table *Table
	keys  []index.Coming
}

// Prefetch says that a later transaction with this Tx will read keys of the table, so
// that they come from memory while others run. It is a hint, changes no result and
// belongs to no attempt. A call fetches where its own keys are, and the records of the
// last one's: so the best place is two transactions ahead. Keys of an ordered
// table, and those after the 64th, are not fetched.
func (tx *Tx) Prefetch(t *Table, keys [][]byte) {
	if tx.mode == modeDone {
		return
	}
	if c := &tx.coming; c.table != nil {
		// Whoever drops a table frees its memory after those who were pinned before.
		if !c.table.closed.Load() {
			c.table.hash.PrefetchRecords(c.keys)
		}
		c.table = nil
	}
	if t == nil || t.hash == nil || t.engine != tx.engine || t.closed.Load() {
		return
	}
	keys = keys[:min(len(keys), prefetchMax)]
	if cap(tx.coming.keys) < len(keys) {
		tx.coming.keys = make([]index.Coming, prefetchMax)
	}
	tx.coming.table, tx.coming.keys = t, tx.coming.keys[:len(keys)]
	t.hash.Prefetch(keys, tx.coming.keys)
}

package occ

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

// Commit ends an attempt: validates it and, if it has written, installs it. It
// returns the timestamp whose release lets the transaction's results out: its
// own, or for a reader the largest that it has read; in the transaction's Term. ErrConflict says that the
// attempt has to run again; after any error nothing of it has happened.
func (tx *Tx) Commit() (hlc.Timestamp, error) {
	if tx.err != nil {
		return 0, tx.err
	}
	if tx.mode == modeSnapshot {
		if err := tx.followTerm(); err != nil {
			return 0, err
		}
		return tx.maxRead, nil
	}
	if len(tx.writes.entries) == 0 {
		if !tx.valid() {
			return 0, tx.fail(ErrConflict)
		}
		// Behind the validation: at that time nothing was rolled back.
		if err := tx.sameTerm(); err != nil {
			return 0, tx.fail(err)
		}
		return tx.maxRead, nil
	}
	w, kept, err := tx.enterCommit()
	if err != nil {
		return 0, tx.fail(err)
	}
	ts, err := w.commit(tx)
	w.stream.Unlock()
	if kept > 0 {
		tx.engine.log.Done(kept)
	}
	return ts, err
}

// Validate tells whether what the attempt has read so far is one consistent
// state. What a transaction function concluded from an attempt for which it is
// false (an error it returned, a panic) may be nonsense.
func (tx *Tx) Validate() bool {
	if tx.err != nil {
		return false
	}
	if tx.mode == modeSnapshot {
		return tx.followTerm() == nil
	}
	return tx.valid() && tx.sameTerm() == nil
}

// valid validates the read set and the node set.
func (tx *Tx) valid() bool {
	for i := range tx.reads {
		r := &tx.reads[i]
		rec := r.rec &^ lockedHere
		cur := record.Word(atomic.LoadUint64((*uint64)(tx.ptr(rec))))
		if cur != r.word && (cur != r.word|record.Locked || rec == r.rec && !tx.locks(rec) && !tx.outlasts(rec, r.word)) {
			return false
		}
	}
	return !tx.tableClosed() && tx.nodes.valid(tx.arena)
}

// tableClosed tells whether a table that the transaction uses is being
// dropped. Looked at inside a commit phase, false stays true until its end.
func (tx *Tx) tableClosed() bool {
	for _, t := range tx.tables {
		if t.closed.Load() {
			return true
		}
	}
	return false
}

// outlasts waits, if the transaction is favoured, until the lock of a record is
// given back, and tells whether the word is what it was. Others than commits lock
// records, too: who collects garbage.
func (tx *Tx) outlasts(rec arena.Ref, word record.Word) bool {
	for spins := 0; tx.favoured() && tx.spin(&spins); {
		cur := record.Word(atomic.LoadUint64((*uint64)(tx.ptr(rec))))
		if cur&record.Locked == 0 {
			return cur == word
		}
	}
	return false
}

// locks tells whether this commit holds the record's lock. It is asked only
// about reads that lock has not marked: those of a record read twice, or so long
// ago that its write was not linked to the read.
func (tx *Tx) locks(rec arena.Ref) bool {
	ws := tx.writes.entries
	if len(ws) <= nodeSetSmall {
		for i := range ws {
			if ws[i].rec == rec {
				return ws[i].locked
			}
		}
		return false
	}
	if !tx.sorted {
		tx.sorted = true
		tx.order = tx.order[:0]
		for i := range ws {
			tx.order = append(tx.order, int32(i))
		}
		tx.sortOrder()
	}
	i, ok := slices.BinarySearchFunc(tx.order, rec, func(i int32, rec arena.Ref) int {
		return compareRefs(ws[i].rec, rec)
	})
	return ok && ws[tx.order[i]].locked
}

func compareRefs(a, b arena.Ref) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// commit runs the commit phase. The stream is locked.
func (w *Worker) commit(tx *Tx) (hlc.Timestamp, error) {
	w.mem.Cache.Overdraft = arena.NoOverdraft
	if tx.onlyDel {
		w.mem.Cache.Overdraft = arena.SmallOverdraft
	}
	if tx.tableClosed() {
		return 0, tx.fail(ErrConflict)
	}
	logBytes, err := w.makeReady(tx)
	if err != nil {
		w.undo(tx)
		return 0, tx.fail(err)
	}
	if logBytes == 0 { // it deleted keys that did not exist
		if !tx.valid() {
			return 0, tx.fail(ErrConflict)
		}
		return tx.maxRead, nil
	}
	ts := w.engine.clock.Next()
	if !tx.valid() {
		w.undo(tx)
		return 0, tx.fail(ErrConflict)
	}
	if invariant.Enabled {
		tx.checkOrder(ts)
		invariant.Check(logBytes <= wal.TxHeaderBytes+tx.writes.bytes, "the log record has %d bytes, room was made for %d of writes", logBytes, tx.writes.bytes)
	}
	// From here on nothing can fail.
	if w.engine.log != nil {
		w.log(tx, ts, logBytes)
	}
	w.installAll(tx, ts)
	if tx.drop != nil {
		w.engine.DropTable(tx.drop, ts)
	}
	tx.wrote = true
	w.commits++
	w.collect(collectPerCommit, 2*len(tx.writes.entries)+collectPerCommit)
	return ts, nil
}

// lingerWrites is from how many writes on others need not wait while the locks are taken.
const lingerWrites = 256

// makeReady locks the write set and allocates what installing it needs. It returns the length of its log record, 0 if
// nothing is to be written. After an error undo takes back what was done.
func (w *Worker) makeReady(tx *Tx) (logBytes int, err error) {
	if len(tx.writes.entries) >= lingerWrites {
		w.stream.Linger()
		defer w.stream.EndLinger()
	}
	if err := w.lockAll(tx); err != nil {
		return 0, err
	}
	return w.prepareAll(tx)
}

// checkOrder asserts Invariant I4: the timestamp is above every version that
// the transaction read or overwrites.
func (tx *Tx) checkOrder(ts hlc.Timestamp) {
	invariant.Check(ts > tx.maxRead, "I4: timestamp %d is not above %d, which the transaction has read", ts, tx.maxRead)
	for i := range tx.writes.entries {
		x := &tx.writes.entries[i]
		if x.locked {
			invariant.Check(ts > x.word.Timestamp(), "I4: timestamp %d is not above %d, which the transaction overwrites", ts, x.word.Timestamp())
		}
	}
}

// lockAll locks the write set: first the records that exist, in the order of their
// places, so that transactions with records in common meet at the first of
// them; then those that have to be made. After an error some are locked.
func (w *Worker) lockAll(tx *Tx) error {
	ws := tx.writes.entries
	tx.sorted = false
	tx.order = tx.order[:0]
	for i := range ws {
		x := &ws[i]
		if x.rec != 0 || !x.missing && x.find(tx) {
			tx.order = append(tx.order, int32(i))
		}
	}
	tx.sortOrder()
	for _, i := range tx.order {
		if err := w.lock(tx, &ws[i]); err != nil {
			return err
		}
	}
	if len(tx.order) == len(ws) {
		return nil
	}
	for i := range ws {
		if x := &ws[i]; !x.locked && x.rec == 0 {
			if err := w.lock(tx, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortByInsertionMax is up to where sorting by insertion is faster.
const sortByInsertionMax = 40

func (tx *Tx) sortOrder() {
	ws := tx.writes.entries
	order := tx.order
	if len(order) > sortByInsertionMax {
		slices.SortFunc(order, func(a, b int32) int { return compareRefs(ws[a].rec, ws[b].rec) })
		return
	}
	for i := 1; i < len(order); i++ {
		x := order[i]
		j := i
		for ; j > 0 && ws[order[j-1]].rec > ws[x].rec; j-- {
			order[j] = order[j-1]
		}
		order[j] = x
	}
}

// find looks the key's record up. It returns false if there is none.
func (w *write) find(tx *Tx) bool {
	f := w.table.get(w.key)
	w.rec = f.Rec
	if f.Rec == 0 && w.del {
		// Deleting nothing is a read of its absence.
		tx.nodes.add(f.Node, f.Version)
	}
	return f.Rec != 0
}

// lock locks the record of one write, and makes it first if the key is new.
func (w *Worker) lock(tx *Tx, x *write) error {
	for spins := 0; ; {
		if x.rec == 0 {
			if x.del && (!x.missing || !x.find(tx)) {
				return nil
			}
			if x.rec != 0 {
				continue
			}
			made, err := w.place(tx, x)
			if made || err != nil {
				return err
			}
		}
		word := (*uint64)(tx.ptr(x.rec))
		v := record.Word(atomic.LoadUint64(word))
		switch {
		case v&record.Locked != 0:
			if !tx.spin(&spins) {
				return ErrConflict
			}
			continue
		case x.read && v != x.word:
			return ErrConflict
		case v&record.Dead != 0:
			x.rec = 0
			if !x.find(tx) && x.del {
				return nil
			}
			continue
		case x.del && v&record.Absent != 0:
			// Deleting nothing is a read of its absence.
			tx.noteRead(x.rec, v)
			return nil
		}
		if atomic.CompareAndSwapUint64(word, uint64(v), uint64(v|record.Locked)) {
			x.word, x.locked = v, true
			if x.read {
				tx.reads[x.readAt].rec |= lockedHere
			}
			return nil
		}
	}
}

// place puts a locked placeholder for a new key into the index. It returns
// false if the key has a record by now, which x.rec then is.
func (w *Worker) place(tx *Tx, x *write) (bool, error) {
	room := max(8, record.Pad(len(x.value)))
	if room > record.InlineMax {
		room = 8
	}
	meta := record.MakeMeta(len(x.key), room, 0, false)
	rec, err := w.mem.Cache.Alloc(meta.Bytes())
	if err != nil {
		return false, memoryFull(err)
	}
	p := tx.ptr(rec)
	atomic.StoreUint64((*uint64)(p), uint64(record.WordOf(0, true)|record.Locked))
	atomic.StoreUint64((*uint64)(unsafe.Add(p, record.PrevOffset)), 0)
	arena.Store64(unsafe.Add(p, record.MetaOffset), uint64(meta))
	copy(unsafe.Slice((*byte)(unsafe.Add(p, record.KeyOffset)), len(x.key)), x.key)
	existing, changes, err := x.table.insert(w.mem, rec, tx.changes[:0])
	tx.changes = changes
	if err != nil {
		w.mem.Cache.Free(rec, meta.Bytes())
		return false, memoryFull(err)
	}
	if existing != 0 {
		w.mem.Cache.Free(rec, meta.Bytes())
		x.rec = existing
		return false, nil
	}
	tx.nodes.follow(changes)
	x.rec, x.word = rec, record.WordOf(0, true)
	x.created, x.locked = true, true
	return true, nil
}

// undo takes back what lockAll and prepareAll have done.
func (w *Worker) undo(tx *Tx) {
	rewind := false
	for i := range tx.writes.entries {
		x := &tx.writes.entries[i]
		if x.blob != 0 {
			w.mem.Cache.Free(x.blob, len(x.value))
			x.blob = 0
		}
		if x.version != 0 {
			if x.linked {
				w.mem.Cache.Free(x.version, versionBytes(tx, x))
			}
			rewind = rewind || !x.linked
			x.version = 0
		}
		if !x.locked {
			continue
		}
		p := tx.ptr(x.rec)
		if !x.created {
			atomic.StoreUint64((*uint64)(p), uint64(x.word))
			x.locked = false
			continue
		}
		x.table.remove(w.mem, x.rec)
		atomic.StoreUint64((*uint64)(p), uint64(x.word|record.Dead))
		w.mem.Limbo.Retire(x.rec, record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset))).Bytes())
		x.locked, x.created, x.rec = false, false, 0
	}
	if rewind {
		w.versions.rewind(w.mem.Cache)
	}
}

// log appends the write set to the stream.
func (w *Worker) log(tx *Tx, ts hlc.Timestamp, bytes int) {
	b := w.stream.Reserve(bytes)
	n := 0
	for i := range tx.writes.entries {
		if tx.writes.entries[i].locked {
			n++
		}
	}
	at := wal.PutTxHeader(b, ts, n, bytes)
	for i := range tx.writes.entries {
		x := &tx.writes.entries[i]
		if !x.locked {
			continue
		}
		kind := wal.KindPut
		if x.del {
			kind = wal.KindDelete
		}
		at += wal.PutWrite(b[at:], uint32(x.table.id), kind, x.key, x.value)
	}
	w.stream.Appended(ts)
}

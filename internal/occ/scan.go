package occ

import (
	"bytes"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/record"
)

// Range says which keys a scan visits: From ≤ key < To, nil being no bound.
type Range struct {
	From, To []byte
	Reverse  bool // from the largest key down
	Limit    int  // keys at most, 0 for all
}

// scanAhead is how many records a scan prefetches.
const scanAhead = 4

// scan is the state of one running scan. A transaction keeps a few for the
// next scans.
type scan struct {
	page index.Page
	// aside has the page's keys among the records that were put aside, of a
	// snapshot's scan.
	aside struct {
		page index.Page
		recs []arena.Ref
	}
	// from and to are copies: the caller may change its own while the scan
	// runs.
	from, to []byte
	key      []byte // the last key shown
	own      ownWrites
	gen      uint32 // Tx.recentGen of the attempt
}

// Scan shows the keys of a range and their values in order until show returns
// false. Both slices are good until show returns. The transaction's own writes
// from before the scan are seen; of those that it makes while the scan runs,
// changes to keys that existed are seen.
func (tx *Tx) Scan(t *Table, r Range, show func(key, value []byte) bool) error {
	// Bounds may be longer than keys: the next one after a longest key is.
	if err := tx.enter(t, nil); err != nil {
		return err
	}
	if t.tree == nil {
		return ErrNoOrder
	}
	if r.To != nil && bytes.Compare(r.From, r.To) >= 0 {
		return nil
	}
	s := tx.pushScan()
	defer tx.popScan(s)
	s.from = append(s.from[:0], r.From...)
	to := r.To
	if to != nil {
		s.to = append(s.to[:0], to...)
		to = s.to
	}
	left := r.Limit
	if left <= 0 {
		left = int(^uint(0) >> 1)
	}
	if r.Reverse {
		t.tree.Descend(&s.page, s.from, to)
	} else {
		t.tree.Ascend(&s.page, s.from, to)
	}
	if tx.mode == modeSnapshot {
		return tx.scanSnapshot(t, s, r.Reverse, left, show)
	}
	s.own.start(tx, t, s.from, to, r.Reverse)
	for {
		if !tx.nodes.add(s.page.Node, s.page.Version) {
			return tx.fail(ErrConflict)
		}
		more, err := tx.showPage(t, s, r.Reverse, &left, show)
		if !more || err != nil {
			return err
		}
		if !t.tree.Next(&s.page) {
			break
		}
	}
	for s.own.peek() != nil {
		if more, err := tx.showOwn(s, &left, show); !more || err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) pushScan() *scan {
	if tx.depth == len(tx.scans) {
		tx.scans = append(tx.scans, &scan{})
	}
	s := tx.scans[tx.depth]
	s.gen = tx.recentGen
	tx.depth++
	return s
}

func (tx *Tx) popScan(s *scan) {
	if s.gen == tx.recentGen {
		tx.depth--
	}
}

// showPage shows the records of the current page, with own writes merged in.
func (tx *Tx) showPage(t *Table, s *scan, reverse bool, left *int, show func(key, value []byte) bool) (bool, error) {
	recs := s.page.Recs
	for i := range min(scanAhead, len(recs)) {
		cpu.Prefetch192(tx.ptr(recs[i]))
	}
	for i, rec := range recs {
		if i+scanAhead < len(recs) {
			cpu.Prefetch192(tx.ptr(recs[i+scanAhead]))
		}
		p := tx.ptr(rec)
		key := record.Key(p)
		replaced := false
		for own := s.own.peek(); own != nil; own = s.own.peek() {
			c := bytes.Compare(own.key, key)
			if reverse {
				c = -c
			}
			if c > 0 {
				break
			}
			replaced = replaced || c == 0
			if more, err := tx.showOwn(s, left, show); !more || err != nil {
				return false, err
			}
		}
		if replaced {
			continue
		}
		if more, err := tx.showRecord(t, s, rec, p, left, show); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// showOwn shows the next own write and moves on.
func (tx *Tx) showOwn(s *scan, left *int, show func(key, value []byte) bool) (bool, error) {
	w := *s.own.peek()
	s.own.next()
	if w.del {
		return true, nil
	}
	return tx.show(s, w.key, w.value, left, show)
}

// showRecord shows a record that the index has found, unless a write made
// while the scan runs replaces it.
func (tx *Tx) showRecord(t *Table, s *scan, rec arena.Ref, p unsafe.Pointer, left *int, show func(key, value []byte) bool) (bool, error) {
	if len(tx.writes.entries) > s.own.count {
		key := record.Key(p)
		if w := tx.writes.find(tx.hash(t, key), t, key); w != nil {
			if w.del {
				return true, nil
			}
			return tx.show(s, key, w.value, left, show)
		}
	}
	mark := tx.scratch
	value, word, err := tx.readRecord(rec)
	if err != nil {
		return false, err
	}
	if word&record.Dead != 0 {
		// It left the index after the page was read: the page is stale.
		return false, tx.fail(ErrConflict)
	}
	tx.noteRead(rec, word)
	if word&record.Absent != 0 {
		return true, nil
	}
	tx.remember(tx.hash(t, record.Key(p)), rec, word) // it may be written next
	more, err := tx.show(s, record.Key(p), value, left, show)
	if err == nil {
		tx.scratch.dropLast(mark, len(value))
	}
	return more, err
}

// show shows a key to the body of a loop. That may have been put aside in there
// (iter.Pull) until the attempt was over: then ErrTxDone ends the loop, and nothing of
// the transaction is touched, which may be another's by now.
func (tx *Tx) show(s *scan, key, value []byte, left *int, show func(key, value []byte) bool) (bool, error) {
	s.key = append(s.key[:0], key...)
	*left--
	more := show(s.key, value)
	if s.gen != tx.recentGen || tx.mode == modeDone {
		return false, ErrTxDone
	}
	if tx.err != nil {
		return false, tx.err
	}
	if tx.ops++; tx.ops%ctxCheckOps == 0 && tx.ctx != nil {
		if err := tx.ctx.Err(); err != nil {
			return false, tx.fail(err)
		}
	}
	return more && *left > 0, nil
}

package occ

import (
	"bytes"
	"errors"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/record"
)

// A snapshot finds most of its keys in the index; those that were deleted since
// may be among the records that were put aside (Table.aside). It always
// looks there later than into the index: records move from the index to aside,
// and leave that only when no snapshot needs them.

// scanSnapshot shows what the snapshot sees of the range whose first page is
// read, until show returns false or it has been called left times.
func (tx *Tx) scanSnapshot(t *Table, s *scan, reverse bool, left int, show func(key, value []byte) bool) error {
	each := func(key, value []byte) error {
		more, err := tx.show(s, key, value, &left, show)
		if err == nil && !more {
			err = errStop
		}
		return err
	}
	for {
		switch err := tx.eachAsOf(t, s, reverse, each); {
		case err == errStop: //nolint:errorlint // the sentinel itself
			return nil
		case err != nil:
			return err
		}
		if !t.tree.Next(&s.page) {
			return tx.followTerm()
		}
	}
}

// errStop ends a scan whose caller has seen enough.
var errStop = errors.New("occ: enough")

// eachAsOf shows what the snapshot sees of the keys that the current page
// speaks for, in the order of the scan.
func (tx *Tx) eachAsOf(t *Table, s *scan, reverse bool, show func(key, value []byte) error) error {
	recs, aside := s.page.Recs, tx.asideOf(t, s, reverse)
	for i := range min(scanAhead, len(recs)) {
		cpu.Prefetch192(tx.ptr(recs[i]))
	}
	for i, rec := range recs {
		if i+scanAhead < len(recs) {
			cpu.Prefetch192(tx.ptr(recs[i+scanAhead]))
		}
		var same arena.Ref
		for len(aside) > 0 {
			c := bytes.Compare(record.Key(tx.ptr(aside[0])), record.Key(tx.ptr(rec)))
			if reverse {
				c = -c
			}
			if c > 0 {
				break
			}
			if c == 0 {
				same = aside[0]
			} else if err := tx.showAsOf(aside[0], 0, show); err != nil {
				return err
			}
			aside = aside[1:]
		}
		if err := tx.showAsOf(rec, same, show); err != nil {
			return err
		}
	}
	for _, rec := range aside {
		if err := tx.showAsOf(rec, 0, show); err != nil {
			return err
		}
	}
	return nil
}

// asideOf returns the records that were put aside among the keys that the
// current page speaks for, in the order of the scan.
func (tx *Tx) asideOf(t *Table, s *scan, reverse bool) []arena.Ref {
	tree := t.aside.Load()
	if tree == nil {
		return nil
	}
	a := &s.aside
	a.recs = a.recs[:0]
	from, to := s.page.Span()
	if reverse {
		tree.Descend(&a.page, from, to)
	} else {
		tree.Ascend(&a.page, from, to)
	}
	for {
		a.recs = append(a.recs, a.page.Recs...)
		if !tree.Next(&a.page) {
			return a.recs
		}
	}
}

// showAsOf shows what the snapshot sees of a key, whose record is rec or, if it
// sees nothing in that, other (0 if there is none).
func (tx *Tx) showAsOf(rec, other arena.Ref, show func(key, value []byte) error) error {
	mark := tx.scratch
	value, word, err := tx.snapshotRecord(rec)
	if err == nil && word&record.Absent != 0 && other != 0 {
		rec = other
		value, word, err = tx.snapshotRecord(rec)
	}
	if err != nil || word&record.Absent != 0 {
		return err
	}
	if err := show(record.Key(tx.ptr(rec)), value); err != nil {
		return err
	}
	tx.scratch.dropLast(mark, len(value))
	return nil
}

// EachOrdered shows all keys and values of an ordered table as of the
// transaction's snapshot, in order. The slices are good until show returns. The
// transaction's pin is left now and then, so that a walk of any length delays no
// reclamation.
func (tx *Tx) EachOrdered(t *Table, show func(key, value []byte) error) error {
	if err := tx.enter(t, nil); err != nil {
		return err
	}
	s := tx.pushScan()
	defer tx.popScan(s)
	for t.tree.Ascend(&s.page, nil, nil); ; {
		if err := tx.eachAsOf(t, s, false, show); err != nil {
			return err
		}
		if err := tx.repin(); err != nil || !t.tree.Next(&s.page) {
			return err
		}
	}
}

// EachHashed does the same for a hashed table, in no order; a key may be shown
// twice.
func (tx *Tx) EachHashed(t *Table, show func(key, value []byte) error) error {
	if err := tx.enter(t, nil); err != nil {
		return err
	}
	var refs []arena.Ref
	var cursor uint64
	for more := true; more; {
		refs, cursor, more = t.hash.ReadBuckets(cursor, refs[:0])
		for _, rec := range refs {
			if err := tx.showAsOf(rec, 0, show); err != nil {
				return err
			}
		}
		if err := tx.repin(); err != nil {
			return err
		}
	}
	tree := t.aside.Load()
	if tree == nil {
		return nil
	}
	s := tx.pushScan()
	defer tx.popScan(s)
	for tree.Ascend(&s.page, nil, nil); ; {
		for _, rec := range s.page.Recs {
			if err := tx.showAsOf(rec, 0, show); err != nil {
				return err
			}
		}
		if err := tx.repin(); err != nil || !tree.Next(&s.page) {
			return err
		}
	}
}

// repin lets go of all memory that the transaction has seen so far. It returns
// the context's error if that has ended, and ErrRolledBack if the snapshot was.
func (tx *Tx) repin() error {
	tx.scratch.reset()
	tx.pin.Renew()
	if err := tx.followTerm(); err != nil || tx.ctx == nil {
		return err
	}
	return tx.ctx.Err()
}

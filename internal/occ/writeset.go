package occ

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/large"
	"github.com/godwitdb/godwit/internal/record"
)

// write is a buffered write of one key, and what committing it needs.
type write struct {
	table *Table
	key   []byte // in the transaction's scratch
	value []byte // in the transaction's scratch
	hash  uint64
	del   bool

	// rec is the key's record if the transaction has met it, read that it
	// has read it, with the word in word: the readEntry at readAt. missing says
	// that the key was probably missing when the transaction looked.
	rec     arena.Ref
	word    record.Word
	readAt  int32
	read    bool
	missing bool

	// Only during commit:
	created bool      // rec is a placeholder that this commit put into the index
	locked  bool      // rec is locked by this commit; word is what it was
	linked  bool      // a snapshot may need the version that is replaced
	version arena.Ref // block for that version, 0 if none is kept
	blob    arena.Ref // block for a value too long for the record, 0 if none
}

// writeSetSmall is how many writes a set searches one by one; above, it keeps a
// hash table.
const writeSetSmall = 8

// writeSet is the writes of a transaction, one for each key.
type writeSet struct {
	entries []write
	slots   []int32 // open addressing over hash, entry+1 or 0; used when large
	order   ownOrder
	bytes   int // keys and values
}

func (s *writeSet) find(hash uint64, t *Table, key []byte) *write {
	if len(s.entries) <= writeSetSmall {
		for i := range s.entries {
			w := &s.entries[i]
			if w.hash == hash && w.table == t && bytes.Equal(w.key, key) {
				return w
			}
		}
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := hash & mask; s.slots[i] != 0; i = (i + 1) & mask {
		w := &s.entries[s.slots[i]-1]
		if w.hash == hash && w.table == t && bytes.Equal(w.key, key) {
			return w
		}
	}
	return nil
}

// add appends an entry for a key that the set does not have. The pointer is
// good until the next add.
func (s *writeSet) add(t *Table, key []byte, hash uint64) *write {
	s.entries = large.Append(s.entries, write{})
	n := len(s.entries)
	w := &s.entries[n-1]
	w.table, w.key, w.hash = t, key, hash
	if n > writeSetSmall {
		if 2*n > len(s.slots) {
			s.rehash(max(8*writeSetSmall, 2*len(s.slots)))
		} else {
			s.place(int32(n - 1))
		}
	}
	return w
}

func (s *writeSet) place(i int32) {
	mask := uint64(len(s.slots) - 1)
	at := s.entries[i].hash & mask
	for s.slots[at] != 0 {
		at = (at + 1) & mask
	}
	s.slots[at] = i + 1
}

func (s *writeSet) rehash(size int) {
	if cap(s.slots) >= size {
		s.slots = s.slots[:size]
		clear(s.slots)
	} else {
		s.slots = make([]int32, size)
	}
	for i := range s.entries {
		s.place(int32(i))
	}
}

func (s *writeSet) reset() {
	s.entries = large.Reset(s.entries) // lets go of scratch memory
	if cap(s.slots) > keepMax {
		s.slots = nil
	}
	s.slots = s.slots[:0]
	s.order.reset()
	s.bytes = 0
}

// keepMax is how many entries of a slice a finished transaction keeps for the
// next one.
const keepMax = 4096

func keepSmall[E any](s []E) []E {
	if cap(s) > keepMax {
		return nil
	}
	return s[:0]
}

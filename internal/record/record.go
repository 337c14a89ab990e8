// Package record is the layout of a record in the arena: what the index finds
// and the transaction protocol locks, reads and installs.
//
//	offset  0  word   timestamp<<3 | dead<<2 | absent<<1 | locked
//	        8  prev   Ref of the version that this one replaced, 0 if none is kept
//	       16  meta   key length (16 bits) | room in words (15) | buried (1) | value length (31) | external (1)
//	       24  key    padded to a multiple of 8
//	           value  room words: the value itself, or, external, the Ref of its bytes
//
// The newest version lives in place: one cache miss brings the word, the key and
// the start of the value. A version that a snapshot or an undo may still need
// is copied out before it is overwritten, into a block of the same shape, and found
// through prev if a snapshot may need it. What stands in that in the key's place is its
// maker's business.
//
// word is only accessed atomically. A record is changed only while its word is
// locked; optimistic readers copy it between two equal, unlocked readings of
// word. The key and the room never change.
//
// A record whose key is deleted is buried: one tombstone refers to it, somewhere, until
// that has found the key there again, or has freed the record. So nothing refers to a
// record that is freed.
package record

import (
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Word is a record's version word.
type Word uint64

const (
	// Locked: a transaction is committing to the record.
	Locked Word = 1 << 0
	// Absent: the version says that the key does not exist.
	Absent Word = 1 << 1
	// Dead: the record was taken out of the index; look the key up again.
	Dead Word = 1 << 2

	flagBits = 64 - hlc.Bits
)

// WordOf returns the unlocked word of a version.
func WordOf(ts hlc.Timestamp, absent bool) Word {
	w := Word(ts) << flagBits
	if absent {
		w |= Absent
	}
	return w
}

// Timestamp returns the version's timestamp.
func (w Word) Timestamp() hlc.Timestamp { return hlc.Timestamp(w >> flagBits) }

const (
	// WordOffset, PrevOffset, MetaOffset and KeyOffset are places in a record.
	WordOffset = 0
	PrevOffset = 8
	MetaOffset = 16
	KeyOffset  = 24

	// InlineMax is the longest value, in bytes, that a record makes room for.
	// Longer ones live in a block of their own, and are swapped, not copied.
	InlineMax = 2048
	// KeyBytesMax is the longest key.
	KeyBytesMax = 4096
)

// Meta is a record's shape.
type Meta uint64

// Buried: a tombstone refers to the record.
const Buried Meta = 1 << 31

// MakeMeta returns the meta of a record. room is in bytes and a multiple of 8.
func MakeMeta(keyBytes, room, valueBytes int, external bool) Meta {
	m := Meta(keyBytes) | Meta(room/8)<<16 | Meta(valueBytes)<<32
	if external {
		m |= 1 << 63
	}
	return m
}

// KeyBytes returns the length of the key.
func (m Meta) KeyBytes() int { return int(m & 0xffff) }

// Room returns the bytes that the record has for a value.
func (m Meta) Room() int { return int(m>>16&0x7fff) * 8 }

// ValueBytes returns the length of the value.
func (m Meta) ValueBytes() int { return int(m >> 32 & 0x7fffffff) }

// External tells whether the room holds the Ref of the value's bytes.
func (m Meta) External() bool { return m>>63 != 0 }

// WithValue returns the meta of the same record with another value.
func (m Meta) WithValue(valueBytes int, external bool) Meta {
	return MakeMeta(0, 0, valueBytes, external) | m&(1<<32-1)
}

// Bytes returns the size of a record of this shape in the arena.
func (m Meta) Bytes() int { return KeyOffset + Pad(m.KeyBytes()) + m.Room() }

// Pad rounds n up to a multiple of 8.
func Pad(n int) int { return (n + 7) &^ 7 }

// Key returns the key of the record at p. It does not change while the record
// lives, so the slice may be kept for as long as the caller's pin holds.
func Key(p unsafe.Pointer) []byte {
	n := int(arena.Load64(unsafe.Add(p, MetaOffset)) & 0xffff)
	return unsafe.Slice((*byte)(unsafe.Add(p, KeyOffset)), n)
}

// Value returns the place of the value of the record at p.
func Value(p unsafe.Pointer, m Meta) unsafe.Pointer {
	return unsafe.Add(p, KeyOffset+Pad(m.KeyBytes()))
}

package occ

import (
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
)

// keptVersions are the old versions that a snapshot may need, in the order in
// which they were replaced. The list runs through the version blocks themselves,
// in the place where a record has its key: there can be as many as there are
// records, and the Go heap should know nothing of them.
type keptVersions struct {
	arena       *arena.Arena
	first, last arena.Ref
	count       int
}

// Places in a version block.
const (
	keptRecOffset   = record.KeyOffset      // Ref of the record whose version it was
	keptUntilOffset = record.KeyOffset + 8  // timestamp of the version that replaced it
	keptNextOffset  = record.KeyOffset + 16 // Ref of the next in the list
	keptNewerOffset = record.KeyOffset + 24 // Ref of the next newer version, 0 for the record itself
	keptBytes       = 32
)

// keptVersion is an entry: the newest version of a record from one timestamp
// until another.
type keptVersion struct {
	rec, version arena.Ref
	from, until  hlc.Timestamp
}

// push adds a version whose block says from when on it was the newest.
func (k *keptVersions) push(version, rec arena.Ref, until hlc.Timestamp) {
	p := k.arena.Ptr(version)
	arena.Store64(unsafe.Add(p, keptRecOffset), uint64(rec))
	arena.Store64(unsafe.Add(p, keptUntilOffset), uint64(until))
	k.append(version)
}

func (k *keptVersions) append(version arena.Ref) {
	arena.Store64(unsafe.Add(k.arena.Ptr(version), keptNextOffset), 0)
	if k.count == 0 {
		k.first = version
	} else {
		arena.Store64(unsafe.Add(k.arena.Ptr(k.last), keptNextOffset), uint64(version))
	}
	k.last = version
	k.count++
}

// pop removes and returns the first entry, which must exist. append puts it
// back, at the end.
func (k *keptVersions) pop() keptVersion {
	version := k.first
	p := k.arena.Ptr(version)
	k.first = arena.Ref(arena.Load64(unsafe.Add(p, keptNextOffset)))
	k.count--
	return keptVersion{
		rec:     arena.Ref(arena.Load64(unsafe.Add(p, keptRecOffset))),
		version: version,
		from:    record.Word(arena.Load64(p)).Timestamp(),
		until:   hlc.Timestamp(arena.Load64(unsafe.Add(p, keptUntilOffset))),
	}
}

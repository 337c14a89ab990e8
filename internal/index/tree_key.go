package index

import (
	"encoding/binary"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/record"
)

// probe is a key that is being searched for.
type probe struct {
	key []byte
	// first is the head of the key in a node without prefix.
	first uint64
}

func makeProbe(key []byte) probe {
	if len(key) >= headBytes {
		return probe{key, binary.BigEndian.Uint64(key)}
	}
	return probe{key, headOf(key, 0)}
}

// head returns the key's head in a node with a prefix of p bytes. A reader may
// see a node that it should not have come to, and a prefix longer than the key:
// the head then means nothing, and the node's version tells.
func (k *probe) head(p int) uint64 {
	if len(k.key) <= headBytes {
		return k.first << (uint(p) * 8)
	}
	return headOf(k.key, p)
}

// headOf returns the 8 bytes of key from byte p on, most significant first,
// padded with zeros.
func headOf(key []byte, p int) uint64 {
	n := len(key)
	switch {
	case p+headBytes <= n:
		return binary.BigEndian.Uint64(key[p:])
	case p >= n:
		return 0
	case n >= headBytes:
		return binary.BigEndian.Uint64(key[n-headBytes:]) << (uint(p+headBytes-n) * 8)
	}
	var h uint64
	for i := p; i < n; i++ {
		h |= uint64(key[i]) << (56 - 8*uint(i-p))
	}
	return h
}

// sharedPrefix returns how many bytes a and b begin with in common.
func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(a[i:]) != binary.LittleEndian.Uint64(b[i:]) {
			break
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// A fence is a key of its own in the arena: its length in a word, then its
// bytes. It does not change, and is freed after a grace period, so a reader may
// look at it once it has validated where it found the reference.
const fenceHeaderBytes = 8

func fenceBytes(keyBytes int) int { return fenceHeaderBytes + record.Pad(keyBytes) }

// fence returns the key at r, nil if r is 0.
func (t *Tree) fence(r arena.Ref) []byte {
	if r == 0 {
		return nil
	}
	p := t.ptr(r)
	return unsafe.Slice((*byte)(unsafe.Add(p, fenceHeaderBytes)), int(*(*uint64)(p)))
}

// newFence stores a copy of key.
func (t *Tree) newFence(c *arena.Cache, key []byte) (arena.Ref, error) {
	r, err := c.Alloc(fenceBytes(len(key)))
	if err != nil {
		return 0, err
	}
	p := t.ptr(r)
	*(*uint64)(p) = uint64(len(key))
	copy(unsafe.Slice((*byte)(unsafe.Add(p, fenceHeaderBytes)), len(key)), key)
	t.keyBytes.Add(int64(fenceBytes(len(key))))
	return r, nil
}

// discardFence frees a fence that no reader has seen.
func (t *Tree) discardFence(c *arena.Cache, r arena.Ref) {
	if r != 0 {
		n := fenceBytes(len(t.fence(r)))
		t.keyBytes.Add(-int64(n))
		c.Free(r, n)
	}
}

// retireFence hands over a fence that nothing refers to any more.
func (t *Tree) retireFence(m Mem, r arena.Ref) {
	if r != 0 {
		n := fenceBytes(len(t.fence(r)))
		t.keyBytes.Add(-int64(n))
		m.Limbo.Retire(r, n)
	}
}

// entryKey returns the key of an entry, given its slot. The slot has been
// validated, or its node is locked.
func (t *Tree) entryKey(level int, slot uint64) []byte {
	p := t.ptr(slotRef(slot))
	if level == 0 {
		return record.Key(p)
	}
	return t.fence(node{p}.ref(lowOffset))
}

package counted

import (
	"encoding/binary"
	"slices"
)

// builder writes a node, slot by slot.
type builder struct {
	node
	slots int // how many the node will have
}

// build begins a node of as many slots in the memory of b.
func build(b []byte, level uint8, slots int) builder {
	w := builder{node{slot: slotBytes(level)}, slots}
	size := headerBytes + slots*w.slot
	w.b = slices.Grow(b[:0], size)[:size]
	w.b[0], w.b[1] = level, uint8(slots)
	return w
}

// setEnd says that the member of slot i ends at the end of what is written.
func (w *builder) setEnd(i, end int) {
	binary.LittleEndian.PutUint32(w.b[headerBytes+i*w.slot+atEnd:], uint32(end))
}

// entry adds an entry.
func (w *builder) entry(k key) {
	w.b = append(w.b, k.member...)
	w.setEnd(w.n, len(w.b)-headerBytes-w.slots*w.slot)
	binary.LittleEndian.PutUint64(w.b[headerBytes+w.n*w.slot+atScore:], k.score)
	w.n++
}

// child adds a child.
func (w *builder) child(separator key, id, count uint64) {
	at := headerBytes + w.n*w.slot
	binary.LittleEndian.PutUint64(w.b[at+atChild:], id)
	binary.LittleEndian.PutUint64(w.b[at+atCount:], count)
	w.entry(separator)
}

// copy adds the slots of r from lo to before hi.
func (w *builder) copy(r node, lo, hi int) {
	first := headerBytes + w.n*w.slot
	copy(w.b[first:], r.b[headerBytes+lo*r.slot:headerBytes+hi*r.slot])
	shift := len(w.b) - headerBytes - w.slots*w.slot - r.begin(lo)
	for i := lo; i < hi; i++ {
		w.setEnd(w.n, r.end(i)+shift)
		w.n++
	}
	members := r.b[r.members():]
	w.b = append(w.b, members[r.begin(lo):r.begin(hi)]...)
}

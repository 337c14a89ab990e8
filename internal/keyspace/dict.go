package keyspace

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Dict is a set of members, each with a value: a hash, or with empty values a set. Its members are
// also an array, in no order that means anything: a member that is removed leaves its place to the last.
//
//	member -> 8 place, value
//	place  -> member
//
// A Dict is good until the transaction ends. Save must follow a change.
type Dict struct {
	tx     *Tx
	key    *Key
	id     uint64
	length uint64
}

// dictBytes is the length of a Dict's body.
const dictBytes = 16

func (t *Tx) parseDict(body []byte) (*Dict, error) {
	if len(body) != dictBytes {
		return nil, fmt.Errorf("%w: a hash or set of %d bytes", ErrCorrupt, len(body))
	}
	return &Dict{tx: t, id: objectID(body), length: binary.BigEndian.Uint64(body[8:])}, nil
}

func (d *Dict) appendTo(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, d.id), d.length)
}

func (d *Dict) size() int { return int(d.length) } //nolint:gosec // as many as there were inserts

// Dict returns the hash or set of a key. If there is none, it is empty and becomes one of the type
// when it is saved.
func (t *Tx) Dict(key []byte, kind Type) (*Dict, *Key, error) {
	k, err := t.Find(key, kind)
	if err != nil {
		return nil, nil, err
	}
	if !k.Exists() {
		return &Dict{tx: t, key: &k}, &k, nil
	}
	d, err := t.parseDict(k.body)
	if err != nil {
		return nil, nil, fmt.Errorf("key %q: %w", key, err)
	}
	d.key = &k
	return d, &k, nil
}

// Save writes what has changed of the key, which is removed when nothing is left.
func (d *Dict) Save(kind Type) error {
	switch {
	case d.length == 0:
		return d.key.removeEmpty()
	case d.key.Exists():
		d.key.body = d.appendTo(nil)
	default:
		if err := d.key.become(kind, d.appendTo(nil)); err != nil {
			return err
		}
	}
	return d.key.Save()
}

// Len returns how many members there are.
func (d *Dict) Len() int { return d.size() }

func (d *Dict) member(member []byte) []byte {
	d.tx.name = appendMemberName(d.tx.name[:0], d.id, member)
	return d.tx.name
}

func (d *Dict) place(i uint64) []byte {
	d.tx.name = appendNumberName(d.tx.name[:0], d.id, tagPlace, i)
	return d.tx.name
}

// find returns a member's place and value.
func (d *Dict) find(member []byte) (place uint64, value []byte, ok bool, err error) {
	if d.length == 0 {
		return 0, nil, false, nil
	}
	v, ok, err := d.tx.element(d.member(member))
	if !ok {
		return 0, nil, false, err
	}
	if len(v) < 8 {
		return 0, nil, false, fmt.Errorf("%w: a member of %d bytes", ErrCorrupt, len(v))
	}
	return binary.BigEndian.Uint64(v), v[8:], true, nil
}

// Get returns the value of a member. The slice is good until the transaction ends.
func (d *Dict) Get(member []byte) (value []byte, ok bool, err error) {
	_, value, ok, err = d.find(member)
	return value, ok, err
}

// Put sets the value of a member, and tells whether that is new.
func (d *Dict) Put(member, value []byte) (created bool, err error) {
	if len(member) > ValueBytesMax || len(value) > ValueBytesMax {
		return false, ErrTooLarge
	}
	place, _, ok, err := d.find(member)
	if err != nil {
		return false, err
	}
	t := d.tx
	if !ok {
		if d.id == 0 {
			if d.id, err = t.Space.id(); err != nil {
				return false, err
			}
		}
		place = d.length
		if err := t.put(t.Space.elements, d.place(place), member); err != nil {
			return false, err
		}
		d.length++
	}
	return !ok, d.write(member, place, value)
}

func (d *Dict) write(member []byte, place uint64, value []byte) error {
	t := d.tx
	t.value = append(binary.BigEndian.AppendUint64(t.value[:0], place), value...)
	return t.put(t.Space.elements, d.member(member), t.value)
}

// Delete removes a member, and tells whether it was there.
func (d *Dict) Delete(member []byte) (bool, error) {
	place, _, ok, err := d.find(member)
	if !ok {
		return false, err
	}
	t, last := d.tx, d.length-1
	if place > last {
		return false, fmt.Errorf("%w: a member at place %d of %d", ErrCorrupt, place, d.length)
	}
	if err := t.in.Delete(t.Space.elements, d.member(member)); err != nil {
		return false, err
	}
	if place != last {
		moved, err := d.At(int(last)) //nolint:gosec // below length
		if err != nil {
			return false, err
		}
		_, value, ok, err := d.find(moved)
		if err != nil || !ok {
			return false, fmt.Errorf("%w: the last member is missing: %w", ErrCorrupt, err)
		}
		if err := d.write(moved, place, value); err != nil {
			return false, err
		}
		if err := t.put(t.Space.elements, d.place(place), moved); err != nil {
			return false, err
		}
	}
	d.length--
	return true, t.in.Delete(t.Space.elements, d.place(last))
}

// At returns the member at a place from 0 to Len()-1. The slice is good until the transaction ends.
func (d *Dict) At(place int) ([]byte, error) {
	v, ok, err := d.tx.element(d.place(uint64(place))) //nolint:gosec // not negative
	if err == nil && !ok {
		err = fmt.Errorf("%w: place %d of %d is empty", ErrCorrupt, place, d.length)
	}
	return v, err
}

// Members visits the members. The set must not change meanwhile.
func (d *Dict) Members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		name := func(dst []byte, i int) []byte { return appendNumberName(dst, d.id, tagPlace, uint64(i)) } //nolint:gosec // not negative
		if err := d.tx.eachElement(d.size(), name, func(_ int, member []byte) bool { return yield(member) }); err != nil {
			d.tx.fail(err)
		}
	}
}

// All visits the members and their values. The set must not change meanwhile.
func (d *Dict) All() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for member := range d.Members() {
			value, ok, err := d.Get(member)
			if err == nil && !ok {
				err = fmt.Errorf("%w: a member is missing", ErrCorrupt)
			}
			if err != nil {
				d.tx.fail(err)
				return
			}
			if !yield(member, value) {
				return
			}
		}
	}
}

// discard implements object: the last members go first. They are read, so it ends early when they are large.
func (d *Dict) discard(limit int) (n int, err error) {
	t := d.tx
	for ; n < limit && d.length > 0 && t.held <= collectHeldBytes; n++ {
		member, err := d.At(d.size() - 1)
		if err != nil {
			return n, err
		}
		if err := t.in.Delete(t.Space.elements, d.member(member)); err != nil {
			return n, err
		}
		if err := t.in.Delete(t.Space.elements, d.place(d.length-1)); err != nil {
			return n, err
		}
		d.length--
	}
	return n, nil
}

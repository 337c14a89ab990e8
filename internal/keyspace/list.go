package keyspace

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// List is the list of a key. Its items have numbers that follow each other, from head to before tail. A List is good
// until the transaction ends. Save must follow a change.
type List struct {
	tx         *Tx
	key        *Key
	id         uint64
	head, tail uint64
}

const (
	// listBytes is the length of a List's body.
	listBytes = 24
	// listMiddle is the number of the first item of a new list: it has room on both sides.
	listMiddle = 1 << 63
)

func (t *Tx) parseList(body []byte) (*List, error) {
	l := &List{tx: t}
	if len(body) == listBytes {
		l.id, l.head, l.tail = objectID(body), binary.BigEndian.Uint64(body[8:]), binary.BigEndian.Uint64(body[16:])
	}
	if l.id == 0 || l.head > l.tail {
		return nil, fmt.Errorf("%w: a list of %d bytes, from %d to %d", ErrCorrupt, len(body), l.head, l.tail)
	}
	return l, nil
}

func (l *List) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, l.id)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, l.head), l.tail)
}

func (l *List) size() int { return int(l.tail - l.head) } //nolint:gosec // as many as there were pushes

// List returns the list of a key. If there is none, it is empty and becomes one when it is saved.
func (t *Tx) List(key []byte) (*List, *Key, error) {
	k, err := t.Find(key, ListType)
	if err != nil {
		return nil, nil, err
	}
	if !k.Exists() {
		return &List{tx: t, key: &k, head: listMiddle, tail: listMiddle}, &k, nil
	}
	l, err := t.parseList(k.body)
	if err != nil {
		return nil, nil, fmt.Errorf("key %q: %w", key, err)
	}
	l.key = &k
	return l, &k, nil
}

// Save writes what has changed of the key, which is removed when nothing is left.
func (l *List) Save() error {
	switch {
	case l.head == l.tail:
		return l.key.removeEmpty()
	case l.key.Exists():
		l.key.body = l.appendTo(nil)
	default:
		if err := l.key.become(ListType, l.appendTo(nil)); err != nil {
			return err
		}
	}
	return l.key.Save()
}

// Len returns how many items there are.
func (l *List) Len() int { return l.size() }

func (l *List) item(n uint64) []byte {
	l.tx.name = appendNumberName(l.tx.name[:0], l.id, tagItem, n)
	return l.tx.name
}

// PushHead puts an item before all others.
func (l *List) PushHead(item []byte) error {
	if err := l.put(l.head-1, item); err != nil {
		return err
	}
	l.head--
	return nil
}

// PushTail puts an item behind all others.
func (l *List) PushTail(item []byte) error {
	if err := l.put(l.tail, item); err != nil {
		return err
	}
	l.tail++
	return nil
}

func (l *List) put(n uint64, item []byte) (err error) {
	if len(item) > ValueBytesMax {
		return ErrTooLarge
	}
	if l.id == 0 {
		if l.id, err = l.tx.Space.id(); err != nil {
			return err
		}
	}
	return l.tx.put(l.tx.Space.elements, l.item(n), item)
}

// At returns the item at an index from 0 to Len()-1. The slice is good until the transaction ends.
func (l *List) At(i int) ([]byte, error) {
	v, ok, err := l.tx.element(l.item(l.head + uint64(i))) //nolint:gosec // not negative
	if err == nil && !ok {
		err = fmt.Errorf("%w: item %d of %d is missing", ErrCorrupt, i, l.size())
	}
	return v, err
}

// Set replaces the item at an index from 0 to Len()-1.
func (l *List) Set(i int, item []byte) error { return l.put(l.head+uint64(i), item) } //nolint:gosec // not negative

// PopHead removes the first item and returns it.
func (l *List) PopHead() ([]byte, error) {
	v, err := l.At(0)
	if err != nil {
		return nil, err
	}
	l.head++
	return v, l.tx.in.Delete(l.tx.Space.elements, l.item(l.head-1))
}

// PopTail removes the last item and returns it.
func (l *List) PopTail() ([]byte, error) {
	v, err := l.At(l.size() - 1)
	if err != nil {
		return nil, err
	}
	l.tail--
	return v, l.tx.in.Delete(l.tx.Space.elements, l.item(l.tail))
}

// Items visits the items at the indexes from first to last, which may be the smaller one, and their indexes. The list must not
// change meanwhile.
func (l *List) Items(first, last int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		step, n := 1, last-first+1
		if last < first {
			step, n = -1, first-last+1
		}
		name := func(dst []byte, i int) []byte {
			return appendNumberName(dst, l.id, tagItem, l.head+uint64(first+step*i)) //nolint:gosec // not negative
		}
		if err := l.tx.eachElement(n, name, func(i int, item []byte) bool { return yield(first+step*i, item) }); err != nil {
			l.tx.fail(err)
		}
	}
}

// discard implements object: the first items go first.
func (l *List) discard(limit int) (n int, err error) {
	for ; n < limit && l.head < l.tail; n++ {
		if err := l.tx.in.Delete(l.tx.Space.elements, l.item(l.head)); err != nil {
			return n, err
		}
		l.head++
	}
	return n, nil
}

package keyspace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
)

const (
	// discardAtOnce is how many elements are deleted together with their key. The rest of a
	// larger value is garbage, for Collect.
	discardAtOnce = 64
	// collectAtOnce is how many elements one transaction of Collect deletes.
	collectAtOnce = 1024
	// collectHeldBytes is what a transaction that removes things holds when it leaves the rest to another one.
	collectHeldBytes = 16 << 20
)

// object is a value that has elements. Its body is what the header of its key keeps of it.
type object interface {
	// discard deletes at most limit elements and returns how many it has.
	discard(limit int) (int, error)
	// appendTo appends the body.
	appendTo(dst []byte) []byte
	// size is how many elements there are.
	size() int
}

// object returns what a header refers to, nil for a string that is not long.
func (t *Tx) object(kind Type, body []byte) (object, error) {
	switch kind {
	case StringType, NoType:
		return nil, nil
	case ListType:
		return t.parseList(body)
	case SetType, HashType:
		return t.parseDict(body)
	case SortedSetType:
		return t.parseSortedSet(body)
	case longStringType:
		s, err := t.parseLongString(body)
		return &s, err
	}
	return nil, fmt.Errorf("%w: an object of type %d", ErrCorrupt, kind)
}

// discardElements lets go of the elements of a key that is to be removed.
func (k *Key) discardElements() error {
	o, err := k.tx.object(k.kind, k.body)
	if o == nil || err != nil {
		return err
	}
	return k.tx.discard(k.kind, o)
}

// discard lets go of the elements of an object.
func (t *Tx) discard(kind Type, o object) error {
	if o.size() <= discardAtOnce {
		if _, err := o.discard(discardAtOnce); err != nil || o.size() == 0 {
			return err
		}
	}
	// The object's number is the first of its body.
	t.value = o.appendTo(append(t.value[:0], byte(kind)))
	t.name = append(append(t.name[:0], metaGarbage), t.value[1:9]...)
	return t.in.Put(t.Space.meta, t.name, t.value)
}

// Collect deletes what is left of databases that were flushed and of large values that were removed, in a
// transaction of each kind, and tells whether there may be more. It is for the leader, now and then.
func (s *Space) Collect(ctx context.Context, db *godwit.DB) (more bool, err error) {
	keys, err := s.collectFlushed(ctx, db)
	if err != nil {
		return false, err
	}
	elements, err := s.collectElements(ctx, db)
	return keys || elements, err
}

func (s *Space) collectElements(ctx context.Context, db *godwit.DB) (more bool, err error) {
	err = db.Update(ctx, func(in *godwit.Tx) error {
		t := Tx{Space: s}
		t.Begin(in, 0)
		left := collectAtOnce
		for name, v := range in.Scan(s.meta, godwit.Range{From: []byte{metaGarbage}, To: []byte{metaGarbage + 1}}) {
			if left <= 0 || t.held > collectHeldBytes {
				break
			}
			if len(v) < 9 {
				return fmt.Errorf("%w: garbage of %d bytes", ErrCorrupt, len(v))
			}
			kind, key := Type(v[0]), append([]byte(nil), name...)
			o, err := t.object(kind, v[1:])
			if err != nil {
				return err
			}
			n, err := o.discard(left)
			if err != nil {
				return err
			}
			left -= max(n, 1)
			if o.size() > 0 {
				err = in.Put(s.meta, key, o.appendTo([]byte{byte(kind)}))
			} else {
				err = in.Delete(s.meta, key)
			}
			if err != nil {
				return err
			}
		}
		more = left <= 0 || t.held > collectHeldBytes // also if the last one is not done
		return t.End()
	})
	return more, err
}

// objectID returns the number of an object, which its body begins with.
func objectID(body []byte) uint64 { return binary.BigEndian.Uint64(body) }

// elementsAtOnce is how many elements are looked up together.
const elementsAtOnce = 64

// eachElement visits n elements that must be there, until visit returns false. The name of the i-th is what name appends. It looks
// several up at once, the first few of them alone: who wants only those does not pay for more.
func (t *Tx) eachElement(n int, name func(dst []byte, i int) []byte, visit func(i int, v []byte) bool) error {
	var names, values [][]byte
	for from, count := 0, 1; from < n; from, count = from+count, min(4*count, elementsAtOnce) {
		count = min(count, n-from)
		for len(names) < count {
			names, values = append(names, nil), append(values, nil)
		}
		for i := range count {
			names[i] = name(names[i][:0], from+i)
		}
		if err := t.in.GetMany(t.Space.elements, names[:count], values[:count]); err != nil {
			return err
		}
		for i, v := range values[:count] {
			if v == nil {
				return fmt.Errorf("%w: element %d of %d is missing", ErrCorrupt, from+i, n)
			}
			if err := t.hold(len(v)); err != nil {
				return err
			}
		}
		for i, v := range values[:count] {
			if !visit(from+i, v) {
				return nil
			}
		}
	}
	return nil
}

// element returns an element; ok is false if there is none.
func (t *Tx) element(name []byte) (v []byte, ok bool, err error) {
	v, err = t.in.Get(t.Space.elements, name)
	if errors.Is(err, godwit.ErrNotFound) {
		return nil, false, nil
	}
	if err == nil {
		err = t.hold(len(v))
	}
	return v, err == nil, err
}

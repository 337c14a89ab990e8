package keyspace

import "fmt"

// Copy gives another key, which does not exist, a copy of the value of k, which does, and its expiry.
func (k *Key) Copy(to *Key) error {
	to.SetExpiry(k.expiry)
	t := k.tx
	switch k.kind {
	case StringType, longStringType:
		value, err := k.Value()
		if err != nil {
			return err
		}
		if err := to.SetString(value); err != nil {
			return err
		}
		return to.Save()
	case ListType:
		from, err := t.parseList(k.body)
		if err != nil {
			return err
		}
		return from.copyTo(&List{tx: t, key: to, head: listMiddle, tail: listMiddle})
	case SetType, HashType:
		from, err := t.parseDict(k.body)
		if err != nil {
			return err
		}
		return from.copyTo(&Dict{tx: t, key: to}, k.kind)
	case SortedSetType:
		from, err := t.parseSortedSet(k.body)
		if err != nil {
			return err
		}
		return from.copyTo(t.newSortedSet(to))
	}
	return fmt.Errorf("%w: a copy of type %d", ErrCorrupt, k.kind)
}

func (l *List) copyTo(to *List) error {
	for i := range l.size() {
		item, err := l.At(i)
		if err != nil {
			return err
		}
		if err := to.PushTail(item); err != nil {
			return err
		}
	}
	return to.Save()
}

func (d *Dict) copyTo(to *Dict, kind Type) error {
	for member, value := range d.All() {
		if _, err := to.Put(member, value); err != nil {
			return err
		}
	}
	if err := d.tx.Err(); err != nil {
		return err
	}
	return to.Save(kind)
}

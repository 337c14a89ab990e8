package keyspace

// Insert puts an item before that at an index from 0 to Len(). The shorter side of the list makes room.
func (l *List) Insert(i int, item []byte) error {
	if i < l.size()-i {
		if err := l.shift(0, i, -1); err != nil {
			return err
		}
		if err := l.Set(i-1, item); err != nil {
			return err
		}
		l.head--
		return nil
	}
	if err := l.shift(l.size()-1, i-1, 1); err != nil {
		return err
	}
	if err := l.Set(i, item); err != nil {
		return err
	}
	l.tail++
	return nil
}

// shift moves the items from index first up or down to before index end by one place, where first goes to.
func (l *List) shift(first, end, by int) error {
	for i := first; i != end; i -= by {
		item, err := l.At(i)
		if err != nil {
			return err
		}
		if err := l.Set(i+by, item); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the items at some indexes, which are given in ascending order. The shorter side of the list closes up.
func (l *List) Remove(indexes []int) error {
	if len(indexes) == 0 {
		return nil
	}
	first, last := indexes[0], indexes[len(indexes)-1]
	before, behind := last+1, l.size()-first
	if before < behind {
		return l.closeHead(indexes)
	}
	to := first
	for i := first; i < l.size(); i++ {
		if len(indexes) > 0 && indexes[0] == i {
			indexes = indexes[1:]
			continue
		}
		if err := l.copyItem(to, i); err != nil {
			return err
		}
		to++
	}
	return l.cut(0, to)
}

// closeHead is Remove with the items before the last that goes moving.
func (l *List) closeHead(indexes []int) error {
	to := indexes[len(indexes)-1]
	for i := to; i >= 0; i-- {
		if n := len(indexes); n > 0 && indexes[n-1] == i {
			indexes = indexes[:n-1]
			continue
		}
		if err := l.copyItem(to, i); err != nil {
			return err
		}
		to--
	}
	return l.cut(to+1, l.size())
}

func (l *List) copyItem(to, from int) error {
	item, err := l.At(from)
	if err != nil {
		return err
	}
	return l.Set(to, item)
}

// Trim removes the items before index first, and from index end on. It costs what the smaller part has: what stays, or
// what goes.
func (l *List) Trim(first, end int) error {
	kept := max(end-first, 0)
	if gone := l.size() - kept; gone > kept+discardAtOnce {
		return l.leave(first, first+kept)
	}
	return l.cut(first, first+kept)
}

// cut deletes the items before index first, and from index end on.
func (l *List) cut(first, end int) error {
	head, tail := l.head+uint64(first), l.head+uint64(end) //nolint:gosec // not negative
	for ; l.head < head; l.head++ {
		if err := l.tx.in.Delete(l.tx.Space.elements, l.item(l.head)); err != nil {
			return err
		}
	}
	for ; l.tail > tail; l.tail-- {
		if err := l.tx.in.Delete(l.tx.Space.elements, l.item(l.tail-1)); err != nil {
			return err
		}
	}
	return nil
}

// leave makes the items from index first to before end a new list, and garbage of the old one.
func (l *List) leave(first, end int) error {
	kept := List{tx: l.tx, key: l.key, head: listMiddle, tail: listMiddle}
	for i := first; i < end; i++ {
		item, err := l.At(i)
		if err != nil {
			return err
		}
		if err := kept.PushTail(item); err != nil {
			return err
		}
	}
	old := *l
	*l = kept
	return l.tx.discard(ListType, &old)
}

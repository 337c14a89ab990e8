package keyspace

import "iter"

// A string is the body of its key's record, or if it is long, in chunks (longString). Which one it is follows from its length
// whenever the key is saved, and shows nowhere else.

// Len returns how long the string of a key is that was found as one; 0 if there is none.
func (k *Key) Len() (int, error) {
	if k.kind != longStringType {
		return len(k.body), nil
	}
	s, err := k.tx.parseLongString(k.body)
	return s.length, err
}

// Value returns the string of a key that was found as one. The slice is good until the transaction ends, and must not be changed.
func (k *Key) Value() ([]byte, error) {
	if k.kind != longStringType {
		return k.body, nil
	}
	s, err := k.tx.parseLongString(k.body)
	if err != nil {
		return nil, err
	}
	value := make([]byte, 0, s.length)
	err = s.each(0, s.length, func(part []byte) bool {
		value = append(value, part...)
		return true
	})
	return value, err
}

// Parts visits the bytes of the string from ≤ i < to, which it must have, piece by piece. The slices are good until the
// transaction ends.
func (k *Key) Parts(from, to int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if k.kind != longStringType {
			yield(k.body[from:to])
			return
		}
		s, err := k.tx.parseLongString(k.body)
		if err == nil {
			err = s.each(from, to, yield)
		}
		if err != nil {
			k.tx.fail(err)
		}
	}
}

// SetString makes value the key's string, whatever it had. It keeps when the key expires. The slice is kept
// until Save, which must follow.
func (k *Key) SetString(value []byte) error {
	if len(value) > ValueBytesMax {
		return ErrTooLarge
	}
	if k.kind == NoType {
		return k.become(StringType, value)
	}
	if err := k.discardElements(); err != nil {
		return err
	}
	k.kind, k.body = StringType, value
	return nil
}

// SetRange writes part into the key's string from a place on, with zeros before it where the string was shorter, and returns
// how long the string is. Save must follow.
func (k *Key) SetRange(at int, part []byte) (length int, err error) {
	if at > ValueBytesMax-len(part) {
		return 0, ErrTooLarge
	}
	if k.kind == longStringType {
		s, err := k.tx.parseLongString(k.body)
		if err != nil {
			return 0, err
		}
		if err := s.set(at, part); err != nil {
			return 0, err
		}
		k.body = s.appendTo(nil)
		return s.length, nil
	}
	value := make([]byte, max(len(k.body), at+len(part)))
	copy(value, k.body)
	copy(value[at:], part)
	return len(value), k.SetString(value)
}

package keyspace

// GetString returns the string of a key, and whether there is one. The slice is good until the transaction ends,
// and must not be changed.
func (t *Tx) GetString(key []byte) ([]byte, bool, error) {
	k, err := t.Find(key, StringType)
	return k.body, k.Exists(), err
}

// Value returns the string of a key that was found as one.
func (k *Key) Value() []byte { return k.body }

// SetString makes value the key's string, whatever it had. It keeps when the key expires. The slice is kept
// until Save, which must follow.
func (k *Key) SetString(value []byte) error {
	if len(value) > ValueBytesMax {
		return ErrTooLarge
	}
	switch k.kind {
	case StringType:
		k.body = value
		return nil
	case NoType:
		return k.become(StringType, value)
	}
	expiry := k.expiry
	if err := k.Remove(); err != nil {
		return err
	}
	if err := k.become(StringType, value); err != nil {
		return err
	}
	k.expiry = expiry
	return nil
}

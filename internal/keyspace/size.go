package keyspace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
)

// Size is how many keys a database has, with those that have expired and are not removed yet.
type Size struct {
	Keys    int64
	Expires int64 // keys that expire
}

// countStripes is how many counters there are for the keys of a database: new keys that
// differ in the stripe do not conflict.
const countStripes = 64

// sizeBytes is the length of a counter: keys and keys that expire, little-endian.
const sizeBytes = 16

// expiring returns how many keys that expire a key with an expiry is.
func expiring(expiry int64) int64 {
	if expiry != 0 {
		return 1
	}
	return 0
}

// count adds to the size of a key's database.
func (t *Tx) count(k *Key, grown Size) error {
	if grown == (Size{}) {
		return nil
	}
	n, err := t.counter(t.countName(k.at.generation, int(hash(k.name)%countStripes)))
	if err != nil {
		return err
	}
	n.Keys += grown.Keys
	n.Expires += grown.Expires
	if n == (Size{}) {
		return t.in.Delete(t.Space.meta, t.name)
	}
	t.value = binary.LittleEndian.AppendUint64(t.value[:0], uint64(n.Keys)) //nolint:gosec // read back the same way
	t.value = binary.LittleEndian.AppendUint64(t.value, uint64(n.Expires))  //nolint:gosec // read back the same way
	return t.in.Put(t.Space.meta, t.name, t.value)
}

func (t *Tx) countName(g generation, stripe int) []byte {
	t.name = append(g.appendTo(append(t.name[:0], metaCount)), byte(stripe))
	return t.name
}

func (t *Tx) counter(name []byte) (Size, error) {
	v, err := t.in.Get(t.Space.meta, name)
	switch {
	case errors.Is(err, godwit.ErrNotFound):
		return Size{}, nil
	case err != nil:
		return Size{}, err
	case len(v) != sizeBytes:
		return Size{}, fmt.Errorf("%w: a counter of %d bytes", ErrCorrupt, len(v))
	}
	return Size{
		Keys:    int64(binary.LittleEndian.Uint64(v)),     //nolint:gosec // as it was written
		Expires: int64(binary.LittleEndian.Uint64(v[8:])), //nolint:gosec // as it was written
	}, nil
}

// Size returns the size of a database.
func (t *Tx) Size(db int) (n Size, err error) {
	g, err := t.generation(db)
	if err != nil {
		return n, err
	}
	for stripe := range countStripes {
		c, err := t.counter(t.countName(g, stripe))
		if err != nil {
			return n, err
		}
		n.Keys += c.Keys
		n.Expires += c.Expires
	}
	return n, nil
}

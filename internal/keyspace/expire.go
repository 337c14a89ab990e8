package keyspace

import (
	"encoding/binary"
	"fmt"

	"github.com/godwitdb/godwit"
)

// ExpireSome removes keys that have expired, of all databases and at most limit, and returns how many: fewer if they are large. Others do not
// see them any more in any case.
func (t *Tx) ExpireSome(limit int) (n int, err error) {
	to := binary.BigEndian.AppendUint64(nil, uint64(t.Now)+1) //nolint:gosec // never negative
	var names [][]byte
	for name := range t.in.Scan(t.Space.expiries, godwit.Range{To: to, Limit: limit}) {
		names = append(names, append([]byte(nil), name...))
	}
	for _, name := range names {
		if t.held > collectHeldBytes {
			break
		}
		if len(name) < expiryPrefixBytes {
			return n, fmt.Errorf("%w: an expiry's name of %d bytes", ErrCorrupt, len(name))
		}
		if err := t.expire(int64(binary.BigEndian.Uint64(name)), generation(binary.BigEndian.Uint32(name[8:])), name[expiryPrefixBytes:]); err != nil { //nolint:gosec // as it was written
			return n, err
		}
		n++
	}
	return n, nil
}

// NextExpiry returns when the next key expires, ok is false if none does.
func (t *Tx) NextExpiry() (at int64, ok bool, err error) {
	for name := range t.in.Scan(t.Space.expiries, godwit.Range{Limit: 1}) {
		if len(name) < expiryPrefixBytes {
			return 0, false, fmt.Errorf("%w: an expiry's name of %d bytes", ErrCorrupt, len(name))
		}
		return int64(binary.BigEndian.Uint64(name)), true, nil //nolint:gosec // as it was written
	}
	return 0, false, t.in.Err()
}

// expire removes a key that has expired.
func (t *Tx) expire(at int64, g generation, key []byte) error {
	db, listens, err := t.database(g)
	if err != nil {
		return err
	}
	k, err := t.stale(place{db: db, generation: g}, key)
	if err != nil {
		return err
	}
	if k.expiry != at {
		return fmt.Errorf("%w: key %q expires at %d, not %d", ErrCorrupt, key, k.expiry, at)
	}
	if listens { // else it was flushed before
		k.Changed(ExpiredClass, "expired")
	}
	return k.remove()
}

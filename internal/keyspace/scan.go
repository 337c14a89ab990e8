package keyspace

import (
	"fmt"
	"iter"

	"github.com/godwitdb/godwit"
)

// Keys visits the keys of the database from a cursor on, those that have not expired: all that were there
// when the scan began and stay, some of those that come and go. The slices are good until the next step.
func (t *Tx) Keys(cursor uint64) iter.Seq2[[]byte, Key] {
	return func(yield func([]byte, Key) bool) {
		g, err := t.generation(t.DB)
		if err != nil {
			t.fail(err)
			return
		}
		if cursor >= hashEnd {
			return
		}
		at := place{db: t.DB, generation: g}
		from := appendHash(g.appendTo(nil), cursor)
		for name, v := range t.in.Scan(t.Space.keys, godwit.Range{From: from, To: (g + 1).appendTo(nil)}) {
			if len(name) < keyPrefixBytes {
				t.fail(fmt.Errorf("%w: a name of %d bytes", ErrCorrupt, len(name)))
				return
			}
			h, err := parseHeader(v)
			if err != nil {
				t.fail(err)
				return
			}
			key := name[keyPrefixBytes:]
			if h.expiry != 0 && h.expiry <= t.Now {
				continue
			}
			if !yield(key, Key{tx: t, at: at, name: key, stored: true, header: h, before: h.expiry}) {
				return
			}
		}
	}
}

// Cursor returns where a scan begins that is to meet a key first, or others with the same hash.
func Cursor(key []byte) uint64 { return hash(key) }

// RandomCursor returns a place in a scan, each as likely as any other if the number is random.
func RandomCursor(random uint64) uint64 { return random % hashEnd }

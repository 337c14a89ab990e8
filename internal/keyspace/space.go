package keyspace

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
)

const (
	// Databases is how many numbered databases there are, as SELECT knows them.
	Databases = 16
	// KeyBytesMax is the longest key, in bytes: a key of the database, less what comes before it.
	KeyBytesMax = 4096 - expiryPrefixBytes
	// ValueBytesMax is the largest string, member or element, in bytes: a value of the database, less
	// what comes before it.
	ValueBytesMax = 64<<20 - 64
)

// The tables. Their names are the format's.
const (
	keysTable     = "redis.keys"
	elementsTable = "redis.elements"
	expiriesTable = "redis.expiries"
	metaTable     = "redis.meta"
)

// Space is where a database keeps what Redis clients store.
type Space struct {
	keys     *godwit.Table // ordered: generation, hash, key -> header
	elements *godwit.Table // hashed: object, tag, name -> what the type keeps there
	expiries *godwit.Table // ordered: time, generation, key -> nothing
	meta     *godwit.Table // ordered: counters, garbage
	ids      idSource
	// heldBytesMax bounds what a transaction reads and writes: it is in memory until the end.
	heldBytesMax int
	// wholeBytesMax and chunkBytes are the constants but in tests.
	wholeBytesMax, chunkBytes int
}

// Open returns the space of a database, and makes its tables if they are missing. On a
// replica that does not lead they must be there, else it fails with godwit.ErrNotLeader.
func Open(ctx context.Context, db *godwit.DB) (*Space, error) {
	s := &Space{heldBytesMax: HeldBytesMax(db), wholeBytesMax: wholeBytesMax, chunkBytes: chunkBytes}
	for _, t := range []struct {
		name  string
		kind  godwit.TableKind
		table **godwit.Table
	}{
		{keysTable, godwit.Ordered, &s.keys},
		{elementsTable, godwit.Hashed, &s.elements},
		{expiriesTable, godwit.Ordered, &s.expiries},
		{metaTable, godwit.Ordered, &s.meta},
	} {
		table, err := db.Table(t.name)
		if errors.Is(err, godwit.ErrNoTable) {
			table, err = db.CreateTable(ctx, t.name, t.kind)
			if errors.Is(err, godwit.ErrExists) {
				table, err = db.Table(t.name)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		*t.table = table
	}
	return s, nil
}

package godwit

import (
	"time"

	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
)

// Burst are transactions that are executed together.
type Burst struct {
	log     *wal.Log
	replica *shard.Replica
}

// Burst begins to hold back, until End, what makes durable what is executed from now on: the sync with DurabilityDisk, on a
// replica the round that goes to the others. Who executes several
// transactions with UpdateAsync, without waiting in between, has that done for all together. Others may have to wait for End, too.
// Elsewhere it does nothing.
func (db *DB) Burst() Burst {
	switch {
	case db.replica != nil:
		n, err := db.replica.get()
		if err != nil {
			return Burst{}
		}
		n.Hold()
		return Burst{replica: n.Replica}
	case db.log == nil || db.opts.Durability != DurabilityDisk:
		return Burst{}
	}
	db.log.Hold()
	return Burst{log: db.log}
}

// End lets that begin, if it is not under way and will be followed by another. here has the sync done, or the round sent, before End
// returns, which is sooner than to have another goroutine do it. Then the caller must not hold anything. To be called once.
func (b Burst) End(here bool) {
	switch {
	case b.log != nil:
		b.log.Release(here)
	case b.replica != nil:
		b.replica.Release(here)
	}
}

// Quick tells whether End, with here, keeps who calls it no longer than that, as far as is known.
func (b Burst) Quick(limit time.Duration) bool {
	if b.log == nil {
		return b.replica != nil
	}
	took := b.log.SyncTook()
	return took > 0 && took <= limit
}

package godwit

import (
	"time"

	"github.com/godwitdb/godwit/internal/wal"
)

// Burst are transactions that are executed together.
type Burst struct{ log *wal.Log }

// Burst begins to hold back the sync of what is executed from now on with DurabilityDisk, until End: who executes several
// transactions with UpdateAsync, without waiting in between, has them synced together. Others may have to wait for End, too.
// Elsewhere it does nothing.
func (db *DB) Burst() Burst {
	if db.log == nil || db.opts.Durability != DurabilityDisk {
		return Burst{}
	}
	db.log.Hold()
	return Burst{db.log}
}

// End lets the sync begin, if none is under way that will be followed by another. here has it done before End
// returns, which is sooner than to hear of it, but keeps the goroutine as long as the disk takes. To be called once.
func (b Burst) End(here bool) {
	if b.log != nil {
		b.log.Release(here)
	}
}

// SyncTook returns how long the last sync took, 0 if none is held back.
func (b Burst) SyncTook() time.Duration {
	if b.log == nil {
		return 0
	}
	return b.log.SyncTook()
}

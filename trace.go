package godwit

import (
	"context"
	"sync"

	"github.com/godwitdb/godwit/internal/hlc"
)

// Tracer follows some transactions of Update and UpdateAsync through their lives. Package godwitotel has one for
// OpenTelemetry.
type Tracer interface {
	// Follow is called when a transaction begins, with the context of its caller. It returns nil for one that is not
	// followed, and is quick then.
	Follow(ctx context.Context) Life
}

// Life is told of one transaction. Its methods are called from hot paths, one after the other; they must be quick and must not
// call the database.
type Life interface {
	// Executed: it has executed, and is visible to other transactions, after so many attempts. Once more if it was lost with
	// a leader and is run again.
	Executed(at Timestamp, attempts int)
	// Durable: its own log record is durable, on a replica on a majority. It is not called for a transaction that has only
	// read, nor if the release does not wait for it, as with DurabilityBackground. If a great many are followed at a time, it is
	// not called for some.
	Durable()
	// Released: nothing can undo it any more; or, with an error, that of its caller. It is the last.
	Released(err error)
}

// followed is a transaction whose life somebody follows; nil if nobody does.
type followed struct {
	attempts int

	mu    sync.Mutex // of life, which is told by the caller and by the log
	life  Life
	ended bool
}

// follow returns a transaction's function that is followed, if that is wanted.
func (db *DB) follow(ctx context.Context, fn func(*Tx) error) (*followed, func(*Tx) error) {
	if db.opts.Tracer == nil {
		return nil, fn
	}
	life := db.opts.Tracer.Follow(ctx)
	if life == nil {
		return nil, fn
	}
	f := &followed{life: life}
	return f, func(tx *Tx) error {
		f.attempts++
		return fn(tx)
	}
}

// executedHere takes note of what has executed in an embedded database.
func (db *DB) executedHere(f *followed, o *executed, err error) {
	if f == nil || err != nil {
		return
	}
	f.executed(o.ts)
	if o.wrote && db.opts.Durability == DurabilityDisk {
		db.log.Follow(o.ts, f.durable)
	}
}

// executed takes note of when it was.
func (f *followed) executed(at hlc.Timestamp) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life.Executed(Timestamp(at), f.attempts)
}

// durable takes note that the record is durable.
func (f *followed) durable() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.life.Durable()
	}
}

// released takes note of the end.
func (f *followed) released(err error) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.life.Released(err)
}

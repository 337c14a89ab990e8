package bench

import "errors"

var (
	// ErrNotFound is what Tx.Get returns for a key that is not there.
	ErrNotFound = errors.New("bench: key not found")
	// ErrExists is what Tx.Insert returns for a key that is there already.
	ErrExists = errors.New("bench: key exists")
	// ErrRollback is what a workload's transaction returns to take back its own
	// writes. Session.Update passes it on and does not retry; the runner
	// counts it.
	ErrRollback = errors.New("bench: rolled back by the workload")
)

// Timestamp is a transaction's place in the engine's serial order. An engine
// without timestamps, whose Update returns only when everything is as durable as
// it gets, may return 0.
type Timestamp uint64

// TableKind says what a table must be able to do.
type TableKind uint8

const (
	// Ordered tables can be scanned.
	Ordered TableKind = iota
	// Hashed tables are only read and written by key. An engine that has one
	// kind of table makes that.
	Hashed
)

// String returns the kind's name as flags and reports spell it.
func (k TableKind) String() string {
	if k == Hashed {
		return "hash"
	}
	return "ordered"
}

// Engine is a database under test. Its methods may be called from several
// goroutines.
type Engine interface {
	// Name names the engine in reports, with what sets its variants apart.
	Name() string
	// CreateTable makes an empty table.
	CreateTable(name string, kind TableKind) (Table, error)
	// OpenTable returns a table that exists, ErrNotFound if it does not.
	OpenTable(name string) (Table, error)
	// NewSession opens a session for worker, counted from 0. No two open
	// sessions have the same worker. An engine with execution slots of its own
	// maps workers to them.
	NewSession(worker int) (Session, error)
	// Close releases the engine's resources; all sessions are closed.
	Close() error
}

// StatsReporter is an Engine or a Workload that has figures of its own to put into the
// result.
type StatsReporter interface {
	// Stats returns figures by name, with the unit as the name's suffix.
	Stats() map[string]float64
}

// Table is a handle of one engine's table. Only the engine that made it can use
// it.
type Table interface{ Name() string }

// Session executes transactions, one at a time, for one goroutine.
type Session interface {
	// Update runs fn in a read-write transaction and returns when it is
	// executed. Conflicts are retried inside, so fn may run several times, and
	// may see a mix of states that no serial order has: an attempt whose reads
	// do not hold together is retried also when fn returned an error. Any other
	// error of fn undoes the transaction and is returned as it is. The timestamp
	// covers everything that the transaction read and wrote; it is also set when
	// fn's error ended it, if the engine knows it.
	Update(fn func(Tx) error) (Timestamp, error)
	// View is Update for a transaction that only reads.
	View(fn func(Tx) error) (Timestamp, error)
	Outcomes
}

// Outcomes is what is known of a session's transactions beside their execution.
type Outcomes interface {
	// Released returns a timestamp: everything at or below it is released,
	// which is to say durable as the engine is configured. It never falls.
	Released() Timestamp
	// Aborts returns how many attempts of this session's transactions ended in
	// a conflict so far.
	Aborts() uint64
	// Close ends the session.
	Close() error
}

// Tx is a transaction. Keys and values passed in are copied before the call
// returns. Slices passed out are valid until the transaction's function returns
// and must not be modified.
type Tx interface {
	// Get returns the value of key, or ErrNotFound.
	Get(t Table, key []byte) ([]byte, error)
	// GetMany sets values[i] to the value of keys[i], nil if there is none; an
	// empty value is not nil. Engines overlap the memory accesses.
	GetMany(t Table, keys, values [][]byte) error
	// Put writes a value, whether or not there is one.
	Put(t Table, key, value []byte) error
	// Insert writes a value where there is none, else ErrExists.
	Insert(t Table, key, value []byte) error
	// Delete removes a key if it is there.
	Delete(t Table, key []byte) error
	// Scan calls each for the keys from <= k < to in order, or in descending
	// order if reverse, until each returns false or limit (0 is none) pairs
	// were passed. A nil to is above all keys. It sees the transaction's own
	// writes; each must not write.
	Scan(t Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error
}

// Prefetcher is a Tx of an engine that fetches records from memory in advance.
type Prefetcher interface {
	// Prefetch says that a later transaction of the session will read keys. It is a
	// hint that changes no result.
	Prefetch(t Table, keys [][]byte)
}

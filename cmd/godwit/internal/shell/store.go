package shell

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Store is the database as the shell sees it.
type Store interface {
	// CreateTable makes a table, ordered by key or hashed.
	CreateTable(ctx context.Context, name string, hashed bool) error
	// DropTable removes a table and all that is in it.
	DropTable(ctx context.Context, name string) error
	// Tables returns the tables in order of name.
	Tables() []Table
	// Update runs f as a transaction, again if it conflicts with others, and
	// returns once it is released.
	Update(ctx context.Context, f func(Tx) error) error
	// View runs f as a read-only transaction, again if it conflicts.
	View(ctx context.Context, f func(Tx) error) error
	// Snapshot keeps the present state readable.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Checkpoint writes all data to disk and cuts the log.
	Checkpoint(ctx context.Context) error
	// Backup writes a consistent copy of all data.
	Backup(ctx context.Context, w io.Writer) error
	// Restore makes a new data folder from a backup.
	Restore(ctx context.Context, dir string, r io.Reader) error
	// Stats returns figures about the database, by name.
	Stats() []Stat
}

// Table describes a table.
type Table struct {
	Name   string
	Hashed bool
}

// Stat is one figure about the database.
type Stat struct{ Name, Value string }

// Snapshot is a state of the database that does not change.
type Snapshot interface {
	// View runs f on the snapshot, once.
	View(ctx context.Context, f func(Tx) error) error
	// Close lets the snapshot go.
	Close()
}

// Tx is a transaction. Slices that it returns are valid until its function
// returns.
type Tx interface {
	// Get returns the value of key, or an error that is dberr.ErrNotFound.
	Get(table string, key []byte) ([]byte, error)
	// Put sets the value of key.
	Put(table string, key, value []byte) error
	// Insert sets the value of a key that has none.
	Insert(table string, key, value []byte) error
	// Delete removes key, which need not exist.
	Delete(table string, key []byte) error
	// DeleteRange removes the keys from from up to but without to, and returns
	// how many they were.
	DeleteRange(table string, from, to []byte) (int, error)
	// Scan returns the keys and values of a range. Its error is that of Err.
	Scan(table string, r Range) iter.Seq2[[]byte, []byte]
	// Err returns why the last Scan ended early, if it did.
	Err() error
}

// Range is a part of an ordered table.
type Range struct {
	From, To []byte // To is outside of the range; nil is no bound
	Reverse  bool   // from the last key to the first
	Limit    int    // at most that many keys; 0 is no limit
}

// ErrConflict is what a transaction by hand returns at commit if something that
// it read was changed in between.
var ErrConflict = errors.New("conflict: what this transaction read has changed since; nothing was applied")

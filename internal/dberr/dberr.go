// Package dberr is the home of the errors that more than one package returns.
// Package godwit shows them to users under the same names; match them with
// errors.Is and errors.As.
package dberr

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is matched by every CorruptionError.
	ErrCorrupt = errors.New("godwit: data is corrupt")
	// ErrLogFailed: a write or sync of the log failed. What was not released
	// may be lost; the database takes no more writes until it is reopened.
	ErrLogFailed = errors.New("godwit: the log failed; no more writes are taken until the database is reopened")
	// ErrDiskFull: the disk has no room for the log, or for a checkpoint. Writes are
	// refused until there is room again, then go on by themselves.
	ErrDiskFull = errors.New("godwit: the disk is full; reads go on, writes go on by themselves when there is room: free some space or enlarge the disk")
	// ErrLocked: another process, or another DB in this one, has the data
	// folder open.
	ErrLocked = errors.New("godwit: the data folder is in use")
	// ErrNewerFormat: the data was written by a later version of Godwit.
	ErrNewerFormat = errors.New("godwit: the data was written by a newer version")
	// ErrOlderFormat: the data was written by a version of Godwit that this one does not
	// read any more.
	ErrOlderFormat = errors.New("godwit: the data was written by an older version")
	// ErrHalfRestored: a restore to the folder was begun and not finished. It can be
	// restored to again.
	ErrHalfRestored = errors.New("godwit: a restore to the folder was not finished; restore to it again, or name another folder")
	// ErrForeignFolder: the folder is not what it was opened as: another database's, or
	// another node's. Nothing was changed.
	ErrForeignFolder = errors.New("godwit: the folder is another one's")
	// ErrNotFound: the key does not exist.
	ErrNotFound = errors.New("godwit: key not found")
	// ErrExists: Insert found the key present.
	ErrExists = errors.New("godwit: exists already")
	// ErrNoTable: there is no such table, or it was dropped.
	ErrNoTable = errors.New("godwit: no such table")
	// ErrReadOnly: a write in View or in a snapshot.
	ErrReadOnly = errors.New("godwit: the transaction is read-only")
	// ErrTooLarge: a key, a value or a transaction is beyond its limit.
	ErrTooLarge = errors.New("godwit: too large")
	// ErrNoOrder: a range operation on a hashed table.
	ErrNoOrder = errors.New("godwit: the table is hashed and has no order; make it Ordered for scans and ranges")
	// ErrClosed: the database, session or snapshot is closed.
	ErrClosed = errors.New("godwit: closed")
	// ErrTxDone: a Tx was used after its function returned.
	ErrTxDone = errors.New("godwit: the transaction is over")
	// ErrMemoryFull: the memory limit is reached. Delete data, close snapshots
	// or raise Options.MemoryLimit.
	ErrMemoryFull = errors.New("godwit: memory limit reached; delete data, close snapshots or raise Options.MemoryLimit")
	// ErrSuperseded: the client has sent a later request, so this one is an old copy. Nothing
	// was done.
	ErrSuperseded = errors.New("godwit: a later request of the client was carried out")
	// ErrOverloaded: too much waits to become durable. Back off and try again.
	ErrOverloaded = errors.New("godwit: overloaded: too much waits to become durable; back off and try again")
)

// CorruptionError says where stored bytes are not what was written.
type CorruptionError struct {
	File   string // path as opened
	Offset int64  // byte offset in File where the damaged unit begins
	Reason string // what is wrong there
}

// Error names file and offset.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("godwit: %s is corrupt at offset %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes every CorruptionError match ErrCorrupt.
func (e *CorruptionError) Is(target error) bool { return target == ErrCorrupt }

// Corrupt returns a CorruptionError.
func Corrupt(file string, offset int64, format string, args ...any) error {
	return &CorruptionError{File: file, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

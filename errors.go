package godwit

import (
	"errors"

	"github.com/godwitdb/godwit/internal/dberr"
)

// Errors are matched with errors.Is.
var (
	// ErrNotFound: the key does not exist.
	ErrNotFound = dberr.ErrNotFound
	// ErrExists: Insert found the key, or CreateTable the table, present.
	ErrExists = dberr.ErrExists
	// ErrNoTable: there is no such table, it was dropped, or it belongs to
	// another database.
	ErrNoTable = dberr.ErrNoTable
	// ErrReadOnly: a write in View or in a snapshot.
	ErrReadOnly = dberr.ErrReadOnly
	// ErrNoOrder: a range operation on a hashed table.
	ErrNoOrder = dberr.ErrNoOrder
	// ErrTooLarge: a key, a value, a transaction or a table's name is beyond its
	// limit.
	ErrTooLarge = dberr.ErrTooLarge
	// ErrTxDone: a Tx was used after its function returned.
	ErrTxDone = dberr.ErrTxDone
	// ErrMemoryFull: the memory limit is reached. Delete data, close snapshots
	// or raise Options.MemoryLimit. The transaction has changed nothing.
	ErrMemoryFull = dberr.ErrMemoryFull
	// ErrDiskFull: there is no room for the log, or for a checkpoint. Writes are
	// refused until there is, then go on by themselves; reads go on all the time.
	// See the package's documentation for what takes how much space.
	ErrDiskFull = dberr.ErrDiskFull
	// ErrLogFailed: a write or sync of the log failed. No more writes are taken
	// until the database is reopened; reads go on.
	ErrLogFailed = dberr.ErrLogFailed
	// ErrLocked: the data folder is open already, here or in another process.
	ErrLocked = dberr.ErrLocked
	// ErrNewerFormat: the data was written by a later version of Godwit.
	ErrNewerFormat = dberr.ErrNewerFormat
	// ErrOlderFormat: the data was written by a version of Godwit that this one does not
	// read any more. A backup that was made by that version can be restored.
	ErrOlderFormat = dberr.ErrOlderFormat
	// ErrForeignFolder: the folder is not what it was opened as: a replica's, for
	// example. Nothing was changed.
	ErrForeignFolder = dberr.ErrForeignFolder
	// ErrCorrupt is matched by every CorruptionError.
	ErrCorrupt = dberr.ErrCorrupt
	// ErrClosed: the database, session or snapshot is closed.
	ErrClosed = dberr.ErrClosed
	// ErrHalfRestored: a restore to the folder was begun and not finished. It can be
	// restored to again.
	ErrHalfRestored = dberr.ErrHalfRestored
	// ErrSessionBusy: a Session was used from a function that it runs. The
	// transaction of that function is not affected.
	ErrSessionBusy = errors.New("godwit: the session is running a transaction, and has one at a time")
	// ErrNotLeader: another replica leads, or has taken the lead over before the transaction
	// was durable on a majority. Nothing of it has happened; the NotLeaderError says
	// which node to ask, as far as that is known.
	ErrNotLeader = errors.New("godwit: this node does not lead")
	// ErrUnavailable: the context ended while no replica could lead, because a majority of them does
	// not answer or an election was under way. Nothing has happened. It goes on by itself when
	// they are back.
	ErrUnavailable = errors.New("godwit: no replica leads a majority; nothing has happened, try again")
	// ErrSuperseded: the client has sent a later request, so this one is an old copy. Nothing was
	// done. See DB.UpdateOnce.
	ErrSuperseded = dberr.ErrSuperseded
	// ErrOutcomeUnknown: the transaction executed, but it is not known whether
	// it is durable, because the context ended or the log failed first. It may
	// or may not be there after a crash, or, on a replica, with the next leader.
	ErrOutcomeUnknown = errors.New("godwit: executed, but not known to be durable")
)

// CorruptionError says where stored bytes are not what was written.
type CorruptionError = dberr.CorruptionError

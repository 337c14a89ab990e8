package occ

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/dberr"
)

// ErrConflict says that the attempt cannot commit and has to run again. Callers
// of this package retry; it does not reach users.
var ErrConflict = errors.New("occ: conflict with another transaction")

// ErrSealed says that the engine executes nothing now: it follows, or is about to.
// The caller goes to where transactions are executed.
var ErrSealed = errors.New("occ: sealed")

// ErrRolledBack says that what the snapshot shows was rolled back. The caller closes it
// and opens another one.
var ErrRolledBack = errors.New("occ: the snapshot's state was rolled back")

// The errors that users see have their home in package dberr.
var (
	ErrNotFound = dberr.ErrNotFound
	ErrExists   = dberr.ErrExists
	ErrNoTable  = dberr.ErrNoTable
	ErrReadOnly = dberr.ErrReadOnly
	ErrTooLarge = dberr.ErrTooLarge
	ErrNoOrder  = dberr.ErrNoOrder
	ErrTxDone   = dberr.ErrTxDone
	ErrClosed   = dberr.ErrClosed
)

// memoryFull gives the arena's error the name that users know it by.
func memoryFull(err error) error {
	if errors.Is(err, arena.ErrFull) {
		return dberr.ErrMemoryFull
	}
	return fmt.Errorf("occ: allocate: %w", err)
}

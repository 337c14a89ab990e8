package keyspace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit"
)

// idsPerBlock is how many numbers a node takes for itself at a time. What it has not used
// when it stops leading is lost, which 2^64 numbers bear.
const idsPerBlock = 1 << 24

// idSource hands out numbers that were never handed out before: for objects and versions. A block
// of them is reserved by a transaction that is released before any of its numbers is used, so
// that no leader ever reserves it again, and who has it may use it whoever leads meanwhile.
type idSource struct {
	next, end atomic.Uint64
	mu        sync.Mutex // held by who reserves a block
}

// ErrNoIDs says that a transaction needs a number and all reserved ones are used: Space.Reserve gets more,
// then the transaction is to be run again.
var ErrNoIDs = errors.New("no numbers are reserved")

// id returns a new number.
func (s *Space) id() (uint64, error) {
	if n := s.ids.next.Add(1); n < s.ids.end.Load() {
		return n, nil
	}
	return 0, ErrNoIDs
}

// Reserve makes sure that there are numbers for new objects. It has to be called after ErrNoIDs.
func (s *Space) Reserve(ctx context.Context, db *godwit.DB) error {
	s.ids.mu.Lock()
	defer s.ids.mu.Unlock()
	if s.ids.next.Load()+1 < s.ids.end.Load() {
		return nil // somebody else has
	}
	var from uint64
	err := db.Update(ctx, func(tx *godwit.Tx) error {
		from = 0
		v, err := tx.Get(s.meta, []byte{metaIDs})
		switch {
		case err == nil && len(v) == 8:
			from = binary.LittleEndian.Uint64(v)
		case err == nil:
			return fmt.Errorf("%w: the counter of numbers has %d bytes", ErrCorrupt, len(v))
		case !errors.Is(err, godwit.ErrNotFound):
			return err
		}
		return tx.Put(s.meta, []byte{metaIDs}, binary.LittleEndian.AppendUint64(nil, from+idsPerBlock))
	})
	if err != nil {
		return err
	}
	// In this order nobody takes a number between two blocks: until end is set, next is beyond it.
	s.ids.end.Store(0)
	s.ids.next.Store(from)
	s.ids.end.Store(from + idsPerBlock)
	return nil
}

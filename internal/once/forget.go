package once

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/godwitdb/godwit/internal/occ"
)

const (
	// ClientsMax is how many clients' last requests are remembered if nobody wants another number.
	ClientsMax = 1_000_000
	// forgetShare: they are counted when this part of the bound is new. So many more there can
	// be.
	forgetShare = 8
	// forgetKeys is how many clients one transaction forgets.
	forgetKeys = 256
)

// Due tells whether so many new clients are reason to count them all.
func Due(fresh int64, clientsMax int) bool { return fresh >= int64(clientsMax/forgetShare) }

// Forget removes what is remembered of the clients beyond clientsMax, as a snapshot shows them, in
// transactions that update runs. How long a client was silent is told by timestamps, which no
// clock that jumps puts out of order.
func Forget(snap *occ.Snapshot, table *occ.Table, clientsMax int, update func(func(*occ.Tx) error) error) error {
	var heard []uint64
	err := Each(snap, table, func(_ []byte, at uint64) bool {
		heard = append(heard, at)
		return true
	})
	n := len(heard) - clientsMax
	if err != nil || n <= 0 {
		return err
	}
	slices.Sort(heard)
	return forgetUntil(snap, table, heard[n-1], update)
}

// forgetUntil removes what is remembered of the clients that were not heard of since.
func forgetUntil(snap *occ.Snapshot, table *occ.Table, since uint64, update func(func(*occ.Tx) error) error) error {
	var keys [][]byte
	remove := func() error {
		err := update(func(tx *occ.Tx) error {
			for _, key := range keys {
				switch last, err := tx.Get(table, key); {
				case errors.Is(err, occ.ErrNotFound):
				case err != nil:
					return err
				case heardAt(last) <= since: // and not back meanwhile
					if err := tx.Delete(table, key); err != nil {
						return err
					}
				}
			}
			return nil
		})
		keys = keys[:0]
		return err
	}
	var failed error
	err := Each(snap, table, func(key []byte, at uint64) bool {
		if at <= since {
			keys = append(keys, slices.Clone(key))
		}
		if len(keys) == forgetKeys {
			failed = remove()
		}
		return failed == nil
	})
	if err == nil && failed == nil && len(keys) > 0 {
		failed = remove()
	}
	return errors.Join(err, failed)
}

// Each shows who is remembered, and when that was heard of last.
func Each(snap *occ.Snapshot, table *occ.Table, show func(key []byte, at uint64) bool) error {
	tx, err := snap.Begin(context.Background())
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.Scan(table, occ.Range{}, func(key, value []byte) bool { return show(key, heardAt(value)) })
}

// heardAt returns when a client was heard of, according to what is remembered of it.
func heardAt(value []byte) uint64 {
	if len(value) < headerBytes {
		return 0
	}
	return binary.BigEndian.Uint64(value[8:])
}

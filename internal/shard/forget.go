package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// forgetLook is how often a leader looks whether there may be too many clients.
	forgetLook = time.Second
	// forgetShare: it counts them when this part of ClientsMax is new. So many more than
	// ClientsMax there can be.
	forgetShare = 8
	// forgetKeys is how many clients one transaction forgets.
	forgetKeys = 256
)

// forgetClients keeps what is remembered of clients within bounds, while this replica leads.
// How long a client was silent is told by timestamps, which no clock that jumps puts out of
// order.
func (r *Replica) forgetClients(ctx context.Context) error {
	var counted *Leadership
	for {
		if err := quorum.Sleep(ctx, forgetLook); err != nil {
			return err
		}
		l, err := r.Leading()
		if err != nil || l == counted && r.newClients.Load() < int64(r.options.ClientsMax/forgetShare) {
			continue
		}
		r.newClients.Store(0)
		switch err := r.forget(ctx); {
		case err == nil:
			counted = l
		case ctx.Err() != nil:
			return err
		default:
			counted = nil
			r.options.Group.Logf("silent clients are not forgotten yet: %v", err)
		}
	}
}

// forget removes what is remembered of the clients beyond ClientsMax.
func (r *Replica) forget(ctx context.Context) error {
	table, err := r.engine.AddTable(occ.MakeTableID(requestsNumber, true))
	if err != nil {
		return err
	}
	snap, err := r.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	defer snap.Close()
	return r.job(ctx, "shard forget", func() error {
		var heard []uint64
		err := eachClient(snap, table, func(_ []byte, at uint64) bool {
			heard = append(heard, at)
			return true
		})
		n := len(heard) - r.options.ClientsMax
		if err != nil || n <= 0 {
			return err
		}
		slices.Sort(heard)
		return r.forgetUntil(snap, table, heard[n-1])
	})
}

// forgetUntil removes what is remembered of the clients that were not heard of since.
func (r *Replica) forgetUntil(snap *occ.Snapshot, table *occ.Table, since uint64) error {
	var keys [][]byte
	remove := func() error {
		_, err := r.Execute(context.Background(), func(tx *occ.Tx) error {
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
	err := eachClient(snap, table, func(key []byte, at uint64) bool {
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

// eachClient shows who is remembered, and when that was heard of last.
func eachClient(snap *occ.Snapshot, table *occ.Table, show func(key []byte, at uint64) bool) error {
	tx, err := snap.Begin(context.Background())
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.Scan(table, occ.Range{}, func(key, value []byte) bool { return show(key, heardAt(value)) })
}

// heardAt returns when a client was heard of, according to what is remembered of it.
func heardAt(value []byte) uint64 {
	if len(value) < requestHeaderBytes {
		return 0
	}
	return binary.BigEndian.Uint64(value[8:])
}

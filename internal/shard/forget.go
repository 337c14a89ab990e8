package shard

import (
	"context"
	"time"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/quorum"
)

// forgetLook is how often a leader looks whether there may be too many clients.
const forgetLook = time.Second

// forgetClients keeps what is remembered of clients within bounds, while this replica leads.
func (r *Replica) forgetClients(ctx context.Context) error {
	var counted *Leadership
	for {
		if err := quorum.Sleep(ctx, forgetLook); err != nil {
			return err
		}
		l, err := r.Leading()
		if err != nil || l == counted && !once.Due(r.newClients.Load(), r.options.ClientsMax) {
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
	table, err := r.engine.AddTable(once.TableID())
	if err != nil {
		return err
	}
	snap, err := r.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	defer snap.Close()
	return r.job(ctx, "shard forget", func() error {
		return once.Forget(snap, table, r.options.ClientsMax, func(fn func(*occ.Tx) error) error {
			_, err := r.Execute(context.Background(), fn)
			return err
		})
	})
}

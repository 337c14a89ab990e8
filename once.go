package godwit

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/internal/shard"
)

// Request names what a client wants done once. See DB.UpdateOnce.
type Request struct {
	Client uint64 // any number but 0 that no other client has, a random one for example
	Number uint64 // larger than that of the client's request before
}

const (
	// AnswerBytesMax is the longest answer of UpdateOnce, in bytes.
	AnswerBytesMax = once.AnswerBytesMax
	// DefaultClientsMax is the default of Options.ClientsMax.
	DefaultClientsMax = once.ClientsMax
)

var errNoClient = errors.New("godwit: Request.Client is 0; each client needs a number of its own")

// UpdateOnce is Update for a request that may come several times, because the client did not hear the
// outcome: after ErrOutcomeUnknown, a crash, or the loss of the leader or of a connection. If it was
// carried out, here or on an earlier leader, fn is not run and the answer is that of the first
// time. The answer, which belongs to the caller, is what fn returns, at most AnswerBytesMax.
//
// A client has one request at a time, with growing numbers. So only the last one is remembered,
// with its answer, by the transaction itself: both are there after a crash or with the next leader,
// or neither. It is forgotten when more than Options.ClientsMax clients were
// heard of since; the request is a new one then. Backups have what is remembered, too.
//
// If fn fails, nothing has happened and nothing is remembered. ErrSuperseded: the client has sent a later
// request, so this is an old copy, and nothing was done.
func (db *DB) UpdateOnce(ctx context.Context, q Request, fn func(*Tx) (answer []byte, err error)) (answer []byte, err error) {
	if q.Client == 0 {
		return nil, errNoClient
	}
	if db.replica != nil {
		return db.replica.updateOnce(ctx, q, fn)
	}
	table, err := db.engine.AddTable(once.TableID())
	if err != nil {
		return nil, err
	}
	err = db.Update(ctx, func(tx *Tx) (err error) {
		var known bool
		if answer, known, err = once.Do(tx.in, table, once.Request(q), func() ([]byte, error) { return fn(tx) }); !known {
			db.clients.fresh.Add(1)
		}
		return err
	})
	db.clients.look(db.opts.ClientsMax)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Recall returns the answer to a request if it was carried out, by UpdateOnce or by a transaction that has remembered
// it; ok tells. The answer belongs to the caller. With Remember it is UpdateOnce for those who need more of a
// transaction than its function, UpdateAsync or a transaction that serves several clients for example.
//
// ErrSuperseded: the client has sent a later request.
func (db *DB) Recall(tx *Tx, q Request) (answer []byte, ok bool, err error) {
	table, err := requestsOf(tx, q)
	if err != nil {
		return nil, false, err
	}
	answer, ok, known, err := once.Recall(tx.in, table, once.Request(q))
	if err == nil && !known {
		db.countClient()
	}
	return answer, ok, err
}

// Remember has a transaction remember that it carries out a request, and its answer, which has at most
// AnswerBytesMax. The same transaction has asked Recall, and it was not carried out before.
func (db *DB) Remember(tx *Tx, q Request, answer []byte) error {
	table, err := requestsOf(tx, q)
	if err != nil {
		return err
	}
	return once.Remember(tx.in, table, once.Request(q), answer)
}

// requestsOf returns the table of requests where a transaction runs.
func requestsOf(tx *Tx, q Request) (*occ.Table, error) {
	if q.Client == 0 {
		return nil, errNoClient
	}
	if err := tx.in.Err(); err != nil {
		return nil, err
	}
	return tx.in.AddTable(once.TableID())
}

// countClient notes that a client has sent its first request.
func (db *DB) countClient() {
	if db.replica == nil {
		db.clients.fresh.Add(1)
		db.clients.look(db.opts.ClientsMax)
	} else if n, err := db.replica.get(); err == nil {
		n.CountClient()
	}
}

// updateOnce is UpdateOnce on a replica, which forgets clients itself.
func (r *replica) updateOnce(ctx context.Context, q Request, fn func(*Tx) ([]byte, error)) (answer []byte, err error) {
	start := r.db.now()
	_, err = r.transact(ctx, func(n *shard.Replica, ctx context.Context) (x shard.Executed, err error) {
		x, answer, err = n.ExecuteOnce(ctx, shard.Request(q), func(in *occ.Tx) (its []byte, err error) {
			err = wrapped(func(tx *Tx) (err error) {
				its, err = fn(tx)
				return err
			})(in)
			return its, err
		})
		return x, err
	}, false)
	if err != nil {
		return nil, err
	}
	r.db.measureReleased(start)
	return answer, nil
}

// clients tells when those of an embedded database that were silent for longest are to be forgotten.
type clients struct {
	fresh   atomic.Int64  // that were not known when they sent a request
	counted atomic.Bool   // since the database was opened
	due     chan struct{} // has room for one
}

// look finds out whether it is time to count them.
func (c *clients) look(most int) {
	if c.counted.Load() && !once.Due(c.fresh.Load(), most) {
		return
	}
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// forgetClients keeps what is remembered of clients within bounds, until the database is closed.
func (db *DB) forgetClients() {
	for {
		select {
		case <-db.closed:
			return
		case <-db.clients.due:
		}
		fresh := db.clients.fresh.Load()
		switch err := db.forgetSilent(); {
		case err == nil:
			db.clients.fresh.Add(-fresh)
			db.clients.counted.Store(true)
		case errors.Is(err, ErrClosed):
			return
		default:
			db.logger.Warn("silent clients are not forgotten yet", "error", err)
		}
	}
}

func (db *DB) forgetSilent() error {
	table, err := db.engine.AddTable(once.TableID())
	if err != nil {
		return err
	}
	snap, err := db.engine.OpenSnapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	return once.Forget(snap, table, db.opts.ClientsMax, func(fn func(*occ.Tx) error) error {
		_, err := db.update(context.Background(), func(tx *Tx) error { return fn(tx.in) })
		return err
	})
}

// requestsName is the name in checkpoints of the table of requests. No user's table can have it.
const requestsName = "\x00requests"

// withInternal returns the tables of users and those that nobody sees.
func withInternal(engine *occ.Engine, catalog *occ.Table, tables []*Table) []*Table {
	internal := []*Table{newTable(catalogName, catalog)}
	if requests := engine.TableByID(once.TableID()); requests != nil {
		internal = append(internal, newTable(requestsName, requests))
	}
	return slices.Concat(internal, tables)
}

package shard

import (
	"context"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
)

// Request names a transaction of a client.
type Request = once.Request

// CountClient notes that a client was not known that has sent a request.
func (r *Replica) CountClient() { r.newClients.Add(1) }

// ExecuteOnce is Execute for a request: if it has been carried out, fn is not run and the
// answer is the first one. Of more than Options.ClientsMax clients those are forgotten
// that have been silent for longest: a request that one of them sends again is new. See
// once.Do for the errors.
func (r *Replica) ExecuteOnce(ctx context.Context, q Request, fn func(*occ.Tx) (answer []byte, err error)) (x Executed, answer []byte, err error) {
	table, err := r.engine.AddTable(once.TableID())
	if err != nil {
		return Executed{}, nil, err
	}
	x, err = r.Execute(ctx, func(tx *occ.Tx) (err error) {
		var known bool
		if answer, known, err = once.Do(tx, table, q, func() ([]byte, error) { return fn(tx) }); !known {
			r.CountClient()
		}
		return err
	})
	return x, answer, err
}

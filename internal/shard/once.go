package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
)

// Request names a transaction of a client, so that it is carried out once however often it
// comes: the network may double it, and a client that has not heard the outcome sends it
// again, after a failover to another replica. A client has one request at a time; their
// numbers grow.
type Request struct {
	Client uint64
	Number uint64
}

// ErrSuperseded: the client has sent a later request, so this one is an old copy. Nothing
// was done.
var ErrSuperseded = errors.New("shard: a later request of the client was carried out")

// requestsNumber is the number of the table that remembers each client's last request: key
// is the client, value the request's number, when that was (a timestamp), and what it was
// answered. No other table has it.
const requestsNumber = 1<<31 - 1

// requestHeaderBytes is what is remembered of a request beside the answer.
const requestHeaderBytes = 16

// AnswerBytesMax bounds what is remembered of an answer.
const AnswerBytesMax = 64 << 10

// ExecuteOnce is Execute for a request: if it has been carried out, fn is not run and the
// answer is the first one. It is remembered with the transaction, so either both are there
// after a failover or none is. An error of fn is not remembered: nothing has happened
// then, and it may come again. Of more than Options.ClientsMax clients those are forgotten
// that have been silent for longest: a request that one of them sends again is new.
func (r *Replica) ExecuteOnce(ctx context.Context, q Request, fn func(*occ.Tx) (answer []byte, err error)) (x Executed, answer []byte, err error) {
	table, err := r.engine.AddTable(occ.MakeTableID(requestsNumber, true))
	if err != nil {
		return Executed{}, nil, err
	}
	key := binary.BigEndian.AppendUint64(nil, q.Client)
	x, err = r.Execute(ctx, func(tx *occ.Tx) error {
		last, err := tx.Get(table, key)
		switch {
		case errors.Is(err, occ.ErrNotFound):
			r.newClients.Add(1)
		case err != nil:
			return err
		case len(last) < requestHeaderBytes:
			return fmt.Errorf("shard: the last request of client %d is remembered in %d bytes", q.Client, len(last))
		case binary.BigEndian.Uint64(last) == q.Number:
			answer = append([]byte(nil), last[requestHeaderBytes:]...)
			return nil
		case binary.BigEndian.Uint64(last) > q.Number:
			return ErrSuperseded
		}
		if answer, err = fn(tx); err != nil {
			return err
		}
		if len(answer) > AnswerBytesMax {
			return fmt.Errorf("%w: an answer of %d bytes, the longest that is remembered has %d", dberr.ErrTooLarge, len(answer), AnswerBytesMax)
		}
		value := binary.BigEndian.AppendUint64(make([]byte, 0, requestHeaderBytes+len(answer)), q.Number)
		value = binary.BigEndian.AppendUint64(value, uint64(r.clock.Last()))
		return tx.Put(table, key, append(value, answer...))
	})
	return x, answer, err
}

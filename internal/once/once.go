package once

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
)

// Request names a transaction of a client. A client has one request at a time; their numbers
// grow.
type Request struct {
	Client uint64
	Number uint64
}

// TableNumber is the number of the table that remembers each client's last request: key is
// the client, value the request's number, when that was (a timestamp), and what it was
// answered. No other table has it.
const TableNumber = 1<<31 - 1

// TableID returns the table's id.
func TableID() occ.TableID { return occ.MakeTableID(TableNumber, true) }

// headerBytes is what is remembered of a request beside the answer.
const headerBytes = 16

// AnswerBytesMax bounds what is remembered of an answer.
const AnswerBytesMax = 64 << 10

// Recall returns the answer to a request if it was carried out: done tells. known tells whether the
// client has sent any. The answer belongs to the caller.
//
// dberr.ErrSuperseded: the client has sent a later request.
func Recall(tx *occ.Tx, table *occ.Table, q Request) (answer []byte, done, known bool, err error) {
	last, err := tx.Get(table, clientKey(q))
	switch {
	case errors.Is(err, occ.ErrNotFound):
		return nil, false, false, nil
	case err != nil:
		return nil, false, false, err
	case len(last) < headerBytes:
		return nil, false, true, fmt.Errorf("once: the last request of client %d is remembered in %d bytes", q.Client, len(last))
	case binary.BigEndian.Uint64(last) == q.Number:
		return slices.Clone(last[headerBytes:]), true, true, nil
	case binary.BigEndian.Uint64(last) > q.Number:
		return nil, false, true, dberr.ErrSuperseded
	}
	return nil, false, true, nil
}

// Remember has tx remember that it carries out a request, which was not before, and its answer.
//
// dberr.ErrTooLarge: the answer is longer than AnswerBytesMax.
func Remember(tx *occ.Tx, table *occ.Table, q Request, answer []byte) error {
	if len(answer) > AnswerBytesMax {
		return fmt.Errorf("%w: an answer of %d bytes, the longest that is remembered has %d", dberr.ErrTooLarge, len(answer), AnswerBytesMax)
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, headerBytes+len(answer)), q.Number)
	value = binary.BigEndian.AppendUint64(value, uint64(tx.Now()))
	return tx.Put(table, clientKey(q), append(value, answer...))
}

func clientKey(q Request) []byte { return binary.BigEndian.AppendUint64(nil, q.Client) }

// Do runs fn in an attempt of tx, unless the request was carried out: then the answer is the first
// one. The answer belongs to the caller. known tells whether the client has sent a request before.
// An error of fn is not remembered: nothing has happened then, and the request may come again.
//
// dberr.ErrSuperseded: the client has sent a later request. dberr.ErrTooLarge: the answer is longer than
// AnswerBytesMax.
func Do(tx *occ.Tx, table *occ.Table, q Request, fn func() (answer []byte, err error)) (answer []byte, known bool, err error) {
	answer, done, known, err := Recall(tx, table, q)
	if err != nil || done {
		return answer, known, err
	}
	if answer, err = fn(); err != nil {
		return nil, known, err
	}
	if err := Remember(tx, table, q, answer); err != nil {
		return nil, known, err
	}
	return slices.Clone(answer), known, nil
}

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

// Do runs fn in an attempt of tx, unless the request was carried out: then the answer is the first
// one. The answer belongs to the caller. known tells whether the client has sent a request before.
// An error of fn is not remembered: nothing has happened then, and the request may come again.
//
// dberr.ErrSuperseded: the client has sent a later request. dberr.ErrTooLarge: the answer is longer than
// AnswerBytesMax.
func Do(tx *occ.Tx, table *occ.Table, q Request, fn func() (answer []byte, err error)) (answer []byte, known bool, err error) {
	key := binary.BigEndian.AppendUint64(nil, q.Client)
	last, err := tx.Get(table, key)
	switch known = err == nil; {
	case errors.Is(err, occ.ErrNotFound):
	case err != nil:
		return nil, false, err
	case len(last) < headerBytes:
		return nil, known, fmt.Errorf("once: the last request of client %d is remembered in %d bytes", q.Client, len(last))
	case binary.BigEndian.Uint64(last) == q.Number:
		return slices.Clone(last[headerBytes:]), known, nil
	case binary.BigEndian.Uint64(last) > q.Number:
		return nil, known, dberr.ErrSuperseded
	}
	if answer, err = fn(); err != nil {
		return nil, known, err
	}
	if len(answer) > AnswerBytesMax {
		return nil, known, fmt.Errorf("%w: an answer of %d bytes, the longest that is remembered has %d", dberr.ErrTooLarge, len(answer), AnswerBytesMax)
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, headerBytes+len(answer)), q.Number)
	value = binary.BigEndian.AppendUint64(value, uint64(tx.Now()))
	value = append(value, answer...)
	return value[headerBytes:], known, tx.Put(table, key, value)
}

package history

import (
	"errors"
	"fmt"
	"math"
)

// txnsMax bounds a history: graphs number their nodes with 32 bits, and have up
// to a few nodes for each transaction.
const txnsMax = math.MaxInt32 / 8

// ErrMalformed: the history is not one that clients following the rules of this
// package record, so nothing can be said about the database.
var ErrMalformed = errors.New("history: malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Validate reports the first rule that h breaks: operations of its workload
// only, no value written twice to a key, no client with two transactions at a
// time, intervals that do not end before they begin. The error wraps
// ErrMalformed.
func (h *History) Validate() error {
	if h.Workload < Lists || h.Workload > Sets {
		return malformed("unknown workload %d", h.Workload)
	}
	if len(h.Txns) > txnsMax {
		return malformed("%d transactions, more than %d", len(h.Txns), txnsMax)
	}
	free := map[ClientID]Time{} // since when a client has had no transaction
	type write struct {
		key   Key
		value Value
	}
	writers := make(map[write]TxnID, len(h.Txns))
	for i := range h.Txns {
		t, id := &h.Txns[i], TxnID(i)
		if t.Outcome < OK || t.Outcome > Unknown {
			return malformed("T%d: unknown outcome %d", id, t.Outcome)
		}
		if t.Complete < t.Invoke {
			return malformed("T%d: completed at %d, before it was invoked at %d", id, t.Complete, t.Invoke)
		}
		if since, ran := free[t.Client]; ran && t.Invoke < since {
			return malformed("T%d: invoked at %d, while client %d ran another transaction until %d", id, t.Invoke, t.Client, since)
		}
		free[t.Client] = t.Complete
		for j := range t.Ops {
			op := &t.Ops[j]
			if !h.Workload.has(op.Kind) {
				return malformed("T%d: operation %d of kind %d in a history of %s", id, j, op.Kind, h.Workload)
			}
			if op.Kind == OpRange && op.To < op.Key {
				return malformed("T%d: operation %d is a range from %d down to %d", id, j, op.Key, op.To)
			}
			if op.Kind != OpAppend && op.Kind != OpWrite {
				continue
			}
			w := write{op.Key, op.Value}
			if first, twice := writers[w]; twice {
				return malformed("T%d and T%d both write %d to key %d", first, id, op.Value, op.Key)
			}
			writers[w] = id
		}
	}
	return nil
}

// has tells whether the workload has operations of kind k.
func (w Workload) has(k OpKind) bool {
	switch k {
	case OpAppend, OpList:
		return w == Lists
	case OpWrite, OpRead:
		return w == Registers || w == Sets
	case OpDelete, OpRange:
		return w == Sets
	}
	return false
}

package benchnode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/quorum"
)

// Transact is the procedure that performs Ops and answers Results.
const Transact = "transact"

// Kind is what an operation does.
type Kind uint64

const (
	// ListRead answers a list, eight bytes a value; ListAppend appends Value.
	ListRead Kind = iota
	ListAppend
	// RegisterRead answers a register, nothing if it was never written; RegisterWrite
	// sets it to Value.
	RegisterRead
	RegisterWrite
	// CounterAdd adds Value to a counter, which begins at 0, modulo 2^64, and answers it;
	// CounterRead answers it.
	CounterAdd
	CounterRead
)

// Op is an operation of a transaction.
type Op struct {
	Kind       Kind
	Key, Value uint64
}

// Ops are a transaction.
type Ops []Op

// Fields implements quorum.Message.
func (o *Ops) Fields(c *quorum.Coder) {
	quorum.Slice(c, (*[]Op)(o), func(o *Op) {
		c.Uint((*uint64)(&o.Kind))
		c.Uint(&o.Key)
		c.Uint(&o.Value)
	})
}

// Results are what a transaction's operations have answered, in their order.
type Results [][]byte

// Fields implements quorum.Message.
func (r *Results) Fields(c *quorum.Coder) {
	quorum.Slice(c, (*[][]byte)(r), func(b *[]byte) { c.Bytes(b) })
}

// procedures are what clients can call.
func procedures(e *occ.Engine) (map[string]procedure.Func, error) {
	var t tables
	for i := range t {
		var err error
		if t[i], err = e.AddTable(occ.MakeTableID(uint32(i)+1, i != registers)); err != nil {
			return nil, err
		}
	}
	return map[string]procedure.Func{Transact: t.transact}, nil
}

const (
	lists = iota
	registers
	counters
	tablesCount
)

type tables [tablesCount]*occ.Table

func (t *tables) transact(tx *occ.Tx, argument []byte) ([]byte, error) {
	var ops Ops
	if err := quorum.Decode(argument, &ops); err != nil {
		return nil, err
	}
	results := make(Results, len(ops))
	for i, o := range ops {
		var err error
		if results[i], err = t.perform(tx, o); err != nil {
			return nil, err
		}
	}
	return quorum.Encode(nil, &results), nil
}

func (t *tables) perform(tx *occ.Tx, o Op) ([]byte, error) {
	value := binary.BigEndian.AppendUint64(nil, o.Value)
	switch o.Kind {
	case ListRead:
		return get(tx, t[lists], o.Key)
	case ListAppend:
		list, err := get(tx, t[lists], o.Key)
		if err != nil {
			return nil, err
		}
		return nil, put(tx, t[lists], o.Key, append(list, value...))
	case RegisterRead:
		return get(tx, t[registers], o.Key)
	case RegisterWrite:
		return nil, put(tx, t[registers], o.Key, value)
	case CounterAdd, CounterRead:
		was, err := get(tx, t[counters], o.Key)
		if err != nil {
			return nil, err
		}
		var n uint64
		if len(was) > 0 {
			n = binary.BigEndian.Uint64(was)
		}
		if o.Kind == CounterRead {
			return binary.BigEndian.AppendUint64(nil, n), nil
		}
		now := binary.BigEndian.AppendUint64(nil, n+o.Value)
		return now, put(tx, t[counters], o.Key, now)
	}
	return nil, fmt.Errorf("an operation of kind %d", o.Kind)
}

// get returns a copy of a value; nil if there is none.
func get(tx *occ.Tx, t *occ.Table, key uint64) ([]byte, error) {
	value, err := tx.Get(t, binary.BigEndian.AppendUint64(nil, key))
	if errors.Is(err, occ.ErrNotFound) {
		return nil, nil
	}
	return append([]byte(nil), value...), err
}

func put(tx *occ.Tx, t *occ.Table, key uint64, value []byte) error {
	return tx.Put(t, binary.BigEndian.AppendUint64(nil, key), value)
}

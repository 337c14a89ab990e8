package history

import "math"

// Key names a list, a register or a member of a set.
type Key uint64

// Value is what is appended or written. A history writes each value at most once
// to a key, so that a read tells whose write it saw.
type Value uint64

// ClientID names a logical process: it runs one transaction after the other.
type ClientID uint32

// TxnID is a transaction's index in History.Txns.
type TxnID int32

// Time is in nanoseconds of a monotonic clock with any origin.
type Time int64

// never is the completion of a transaction that may still take effect.
const never Time = math.MaxInt64

// Workload is the kind of data that a history is about.
type Workload uint8

const (
	// Lists: keys hold lists, which start out empty; transactions append unique
	// values and read whole lists. It finds the most: a read shows the whole
	// order of the versions before it.
	Lists Workload = iota + 1
	// Registers: keys hold values or nothing, which is how they start out;
	// transactions write unique values and read.
	Registers
	// Sets are registers that can be deleted and are read by ranges of keys.
	Sets
)

// Outcome is what the client knows of its transaction.
type Outcome uint8

const (
	// OK: it took effect, once.
	OK Outcome = iota + 1
	// Failed: it had no effect and never will have.
	Failed
	// Unknown: it may have taken effect, or may yet, or never.
	Unknown
)

// OpKind is the kind of a micro-operation.
type OpKind uint8

const (
	// OpAppend appends Value to the list of Key.
	OpAppend OpKind = iota + 1
	// OpList reads the list of Key as List.
	OpList
	// OpWrite sets Key to Value.
	OpWrite
	// OpDelete leaves Key without a value, whether it had one or not.
	OpDelete
	// OpRead reads Key as Value, or as nothing if not Found.
	OpRead
	// OpRange reads all keys from Key up to but not including To as Pairs: those
	// that are not among Pairs had no value.
	OpRange
)

// Pair is a key that a range read found, with its value.
type Pair struct {
	Key   Key
	Value Value
}

// Op is a micro-operation of a transaction. Kind tells which fields it uses.
type Op struct {
	Kind  OpKind
	Found bool
	Key   Key
	To    Key
	Value Value
	List  []Value
	Pairs []Pair
}

// Txn is a transaction as its client saw it.
type Txn struct {
	Client   ClientID
	Outcome  Outcome
	Invoke   Time // before its first operation was sent
	Complete Time // after its outcome was known; if Unknown, when the client gave up
	Ops      []Op
}

// History is what a number of clients saw.
type History struct {
	Workload Workload
	// Txns are in any order, but those of one client are in the order in which
	// it ran them.
	Txns []Txn
}

// done returns when t can be said to be over: nothing that it does happens
// later.
func (t *Txn) done() Time {
	if t.Outcome == Unknown {
		return never
	}
	return t.Complete
}

// eachFound calls see for each value of a register that t read.
func (t *Txn) eachFound(see func(Key, Value)) {
	for i := range t.Ops {
		op := &t.Ops[i]
		if op.Kind == OpRead && op.Found {
			see(op.Key, op.Value)
		}
		for _, p := range op.Pairs {
			see(p.Key, p.Value)
		}
	}
}

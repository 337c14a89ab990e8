package godwit

import (
	"iter"

	"github.com/godwitdb/godwit/internal/occ"
)

// Tx is a running transaction. It is for the goroutine that runs the
// transaction's function, until that returns. Afterwards its methods return
// ErrTxDone. (Those of a Session may meet the Tx again: see there.)
//
// Slices that its methods return are good until the function returns (those of
// Scan until the next step of the loop), and must not be changed.
type Tx struct {
	// in executes the transaction, and then others: hence each has a Tx of its own,
	// which leaves it at the end.
	in *occ.Tx
}

// Range says which keys a scan visits and how.
type Range struct {
	// From is the first key, To the one behind the last: From ≤ key < To. A nil
	// To means to the end. They may be of any length.
	From, To []byte
	// Reverse visits the keys from the largest down.
	Reverse bool
	// Limit is how many keys are visited at most; 0 means all.
	Limit int
}

// leave makes the transaction end for who has kept the Tx.
func (tx *Tx) leave() { tx.in = tx.in.Over() }

// Get returns the value of key; ErrNotFound if it does not exist.
func (tx *Tx) Get(t *Table, key []byte) ([]byte, error) {
	return tx.in.Get(t.inner(), key)
}

// GetMany looks up several keys of a table at once, which is faster than one
// Get after the other: values[i] becomes the value of keys[i], nil if that
// does not exist. values must be as long as keys.
func (tx *Tx) GetMany(t *Table, keys, values [][]byte) error {
	return tx.in.GetMany(t.inner(), keys, values)
}

// Prefetch says that a later transaction of this one's Session will read keys of the table, which
// then come from memory while others run. It changes no result. Keys are best
// given two transactions ahead: each call fetches where its keys are, and the records of
// the call before. Of ordered tables, and of keys after the 64th, nothing is fetched.
//
// It is for sessions that know what comes next, of a queue of requests for instance;
// elsewhere GetMany does most of it.
func (tx *Tx) Prefetch(t *Table, keys [][]byte) { tx.in.Prefetch(t.inner(), keys) }

// Put sets the value of key. The slices are copied.
func (tx *Tx) Put(t *Table, key, value []byte) error {
	return tx.in.Put(t.inner(), key, value)
}

// Insert sets the value of a key that does not exist; ErrExists if it does. The
// slices are copied.
func (tx *Tx) Insert(t *Table, key, value []byte) error {
	return tx.in.Insert(t.inner(), key, value)
}

// Delete removes key. It is no error if it does not exist.
func (tx *Tx) Delete(t *Table, key []byte) error {
	return tx.in.Delete(t.inner(), key)
}

// DeleteRange removes all keys with from ≤ key < to, and returns how many
// there were. A nil to means to the end. ErrNoOrder if the table is hashed.
func (tx *Tx) DeleteRange(t *Table, from, to []byte) (int, error) {
	return tx.in.DeleteRange(t.inner(), from, to)
}

// Scan visits the keys of a range and their values in order. It sees the
// transaction's own writes made before the loop began; of those made inside the
// loop it sees changes to keys that existed, and may or may not see new keys.
//
// A loop may end early because the transaction cannot go on (Err tells), or
// because the table is hashed or dropped. The function need not look: a
// transaction in which that happened does not commit, and Update or View
// return the error.
func (tx *Tx) Scan(t *Table, r Range) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		in := tx.in
		err := in.Scan(t.inner(), occ.Range{From: r.From, To: r.To, Reverse: r.Reverse, Limit: r.Limit}, yield)
		if err != nil && err != occ.ErrTxDone { //nolint:errorlint // the sentinel itself; there is nothing left to fail then
			in.Fail(err)
		}
	}
}

// Err returns why the transaction cannot commit any more, nil as long as it can.
// It is of use to leave a long function early.
func (tx *Tx) Err() error { return tx.in.Err() }

package benchshard

import (
	"errors"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/occ"
)

// tx is a transaction for a workload.
type tx struct{ inner *occ.Tx }

// NewTx returns a transaction for a workload, as good as long as inner is.
func NewTx(inner *occ.Tx) bench.Tx { return &tx{inner} }

// translate makes the engine's errors those of bench.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, occ.ErrNotFound):
		return bench.ErrNotFound
	case errors.Is(err, occ.ErrExists):
		return bench.ErrExists
	}
	return err
}

// Get implements bench.Tx.
func (x *tx) Get(t bench.Table, key []byte) ([]byte, error) {
	value, err := x.inner.Get(own(t), key)
	return value, translate(err)
}

// GetMany implements bench.Tx.
func (x *tx) GetMany(t bench.Table, keys, values [][]byte) error {
	return x.inner.GetMany(own(t), keys, values)
}

// Put implements bench.Tx.
func (x *tx) Put(t bench.Table, key, value []byte) error { return x.inner.Put(own(t), key, value) }

// Insert implements bench.Tx.
func (x *tx) Insert(t bench.Table, key, value []byte) error {
	return translate(x.inner.Insert(own(t), key, value))
}

// Delete implements bench.Tx.
func (x *tx) Delete(t bench.Table, key []byte) error { return x.inner.Delete(own(t), key) }

// Scan implements bench.Tx.
func (x *tx) Scan(t bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	return x.inner.Scan(own(t), occ.Range{From: from, To: to, Reverse: reverse, Limit: limit}, each)
}

// call is what a session has: the function that the engine calls, which calls the
// workload's.
type call struct {
	tx tx
	fn func(bench.Tx) error
	// run is the method runs, bound once.
	run func(*occ.Tx) error
}

func (c *call) bind() { c.run = c.runs }

func (c *call) runs(inner *occ.Tx) error {
	c.tx.inner = inner
	return c.fn(&c.tx)
}

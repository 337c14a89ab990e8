package main

import (
	"bytes"
	"math"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/godwitdb/godwit/bench"
)

// bboltEngine is bbolt with its transactions: one writer at a time. Synced
// updates share a commit through Batch, as its documentation advises for many
// goroutines.
type bboltEngine struct {
	db   *bbolt.DB
	sync bool
}

func openBBolt(dir string, sync bool) (bench.Engine, error) {
	db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, &bbolt.Options{NoSync: !sync, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = 0
	return &bboltEngine{db, sync}, nil
}

func (e *bboltEngine) Name() string { return "bbolt" }
func (e *bboltEngine) Close() error { return e.db.Close() }

func (e *bboltEngine) CreateTable(name string, _ bench.TableKind) (bench.Table, error) {
	return table(name), e.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(name))
		return err
	})
}

func (e *bboltEngine) OpenTable(name string) (bench.Table, error) { return table(name), nil }

func (e *bboltEngine) NewSession(int) (bench.Session, error) {
	return &bboltSession{db: e.db, batch: e.sync}, nil
}

type bboltSession struct {
	db    *bbolt.DB
	batch bool
}

func (s *bboltSession) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	run := func(tx *bbolt.Tx) error { return fn(&bboltTx{tx}) }
	if s.batch {
		return 0, s.db.Batch(run)
	}
	return 0, s.db.Update(run)
}

func (s *bboltSession) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	return 0, s.db.View(func(tx *bbolt.Tx) error { return fn(&bboltTx{tx}) })
}

func (s *bboltSession) Released() bench.Timestamp { return math.MaxUint64 }
func (s *bboltSession) Aborts() uint64            { return 0 }
func (s *bboltSession) Close() error              { return nil }

type bboltTx struct{ inner *bbolt.Tx }

func (t *bboltTx) bucket(table bench.Table) *bbolt.Bucket {
	return t.inner.Bucket([]byte(table.Name()))
}

func (t *bboltTx) Get(table bench.Table, key []byte) ([]byte, error) {
	v := t.bucket(table).Get(key)
	if v == nil {
		return nil, bench.ErrNotFound
	}
	return bytes.Clone(v), nil // the workload changes it
}

func (t *bboltTx) GetMany(table bench.Table, keys, values [][]byte) error {
	return getEach(t, table, keys, values)
}

func (t *bboltTx) Put(table bench.Table, key, value []byte) error {
	return t.bucket(table).Put(key, bytes.Clone(value)) // bbolt keeps the value until the commit
}

func (t *bboltTx) Insert(table bench.Table, key, value []byte) error {
	return insert(t, table, key, value)
}

func (t *bboltTx) Delete(table bench.Table, key []byte) error { return t.bucket(table).Delete(key) }

func (t *bboltTx) Scan(table bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	if reverse {
		return errNoReverse
	}
	c := t.bucket(table).Cursor()
	for k, v := c.Seek(from); k != nil && before(k, to); k, v = c.Next() {
		if !each(k, v) {
			return nil
		}
		if limit--; limit == 0 {
			return nil
		}
	}
	return nil
}

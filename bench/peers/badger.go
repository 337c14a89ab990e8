package main

import (
	"errors"
	"math"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/godwitdb/godwit/bench"
)

// badgerEngine is Badger with its transactions, which are serializable
// snapshot isolation.
type badgerEngine struct{ db *badger.DB }

func openBadger(dir string, sync bool) (bench.Engine, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(sync).WithLoggingLevel(badger.ERROR))
	if err != nil {
		return nil, err
	}
	return &badgerEngine{db}, nil
}

// table is a table of a store that has none: the benchmark needs only one.
type table string

func (t table) Name() string { return string(t) }

func (e *badgerEngine) Name() string { return "badger" }
func (e *badgerEngine) Close() error { return e.db.Close() }

func (e *badgerEngine) CreateTable(name string, _ bench.TableKind) (bench.Table, error) {
	return table(name), nil
}

func (e *badgerEngine) OpenTable(name string) (bench.Table, error) { return table(name), nil }

func (e *badgerEngine) NewSession(int) (bench.Session, error) { return &badgerSession{db: e.db}, nil }

type badgerSession struct {
	db     *badger.DB
	tx     badgerTx
	aborts atomic.Uint64
}

func (s *badgerSession) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	for {
		err := s.db.Update(func(tx *badger.Txn) error {
			s.tx.inner = tx
			return fn(&s.tx)
		})
		if !errors.Is(err, badger.ErrConflict) {
			return 0, err
		}
		s.aborts.Add(1)
	}
}

func (s *badgerSession) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	return 0, s.db.View(func(tx *badger.Txn) error {
		s.tx.inner = tx
		return fn(&s.tx)
	})
}

func (s *badgerSession) Released() bench.Timestamp { return math.MaxUint64 }
func (s *badgerSession) Aborts() uint64            { return s.aborts.Load() }
func (s *badgerSession) Close() error              { return nil }

type badgerTx struct{ inner *badger.Txn }

func (t *badgerTx) Get(_ bench.Table, key []byte) ([]byte, error) {
	item, err := t.inner.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, bench.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func (t *badgerTx) GetMany(table bench.Table, keys, values [][]byte) error {
	return getEach(t, table, keys, values)
}

func (t *badgerTx) Put(_ bench.Table, key, value []byte) error {
	// Badger keeps the slices until the commit.
	return t.inner.Set(append([]byte(nil), key...), append([]byte(nil), value...))
}

func (t *badgerTx) Insert(table bench.Table, key, value []byte) error {
	return insert(t, table, key, value)
}

func (t *badgerTx) Delete(_ bench.Table, key []byte) error {
	return t.inner.Delete(append([]byte(nil), key...))
}

func (t *badgerTx) Scan(_ bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	if reverse {
		return errNoReverse
	}
	it := t.inner.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	for it.Seek(from); it.Valid() && before(it.Item().Key(), to); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		if !each(it.Item().KeyCopy(nil), value) {
			return nil
		}
		if limit--; limit == 0 {
			return nil
		}
	}
	return nil
}

package main

import (
	"bytes"
	"errors"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitdb/godwit/bench"
)

// pebbleEngine is Pebble, which has no transactions: updates hold a mutex while
// they read and apply a batch, and wait for its sync outside of it, so that
// syncs are shared.
type pebbleEngine struct {
	db   *pebble.DB
	sync bool
	mu   sync.RWMutex
}

func openPebble(dir string, sync bool) (bench.Engine, error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}, MemTableSize: 64 << 20, Cache: pebble.NewCache(1 << 30)})
	if err != nil {
		return nil, err
	}
	return &pebbleEngine{db: db, sync: sync}, nil
}

// quiet is a logger that is silent but for what is fatal.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { pebble.DefaultLogger.Fatalf(format, args...) }

func (e *pebbleEngine) Name() string { return "pebble" }
func (e *pebbleEngine) Close() error { return e.db.Close() }

func (e *pebbleEngine) CreateTable(name string, _ bench.TableKind) (bench.Table, error) {
	return table(name), nil
}

func (e *pebbleEngine) OpenTable(name string) (bench.Table, error) { return table(name), nil }

func (e *pebbleEngine) NewSession(int) (bench.Session, error) { return &pebbleSession{e}, nil }

type pebbleSession struct{ engine *pebbleEngine }

func (s *pebbleSession) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	batch, err := s.apply(fn)
	if err != nil || batch == nil {
		return 0, err
	}
	if s.engine.sync {
		err = batch.SyncWait()
	}
	return 0, errors.Join(err, batch.Close())
}

func (s *pebbleSession) apply(fn func(bench.Tx) error) (*pebble.Batch, error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	batch := s.engine.db.NewIndexedBatch()
	if err := fn(&pebbleTx{batch, batch}); err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	if batch.Empty() {
		return nil, batch.Close()
	}
	if s.engine.sync {
		return batch, s.engine.db.ApplyNoSyncWait(batch, pebble.Sync)
	}
	return batch, batch.Commit(pebble.NoSync)
}

func (s *pebbleSession) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	return 0, fn(&pebbleTx{s.engine.db, nil})
}

func (s *pebbleSession) Released() bench.Timestamp { return math.MaxUint64 }
func (s *pebbleSession) Aborts() uint64            { return 0 }
func (s *pebbleSession) Close() error              { return nil }

type pebbleTx struct {
	reader pebble.Reader
	batch  *pebble.Batch
}

func (t *pebbleTx) Get(_ bench.Table, key []byte) ([]byte, error) {
	v, closer, err := t.reader.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, bench.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	v = bytes.Clone(v)
	return v, closer.Close()
}

func (t *pebbleTx) GetMany(table bench.Table, keys, values [][]byte) error {
	return getEach(t, table, keys, values)
}

func (t *pebbleTx) Put(_ bench.Table, key, value []byte) error { return t.batch.Set(key, value, nil) }

func (t *pebbleTx) Insert(table bench.Table, key, value []byte) error {
	return insert(t, table, key, value)
}

func (t *pebbleTx) Delete(_ bench.Table, key []byte) error { return t.batch.Delete(key, nil) }

func (t *pebbleTx) Scan(_ bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	if reverse {
		return errNoReverse
	}
	it, err := t.reader.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if !each(it.Key(), it.Value()) {
			break
		}
		if limit--; limit == 0 {
			break
		}
	}
	return it.Close()
}

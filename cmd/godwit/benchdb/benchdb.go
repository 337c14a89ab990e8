// Package benchdb shows a Godwit database to the workloads of package bench, in
// two ways: as procedures that run in the process on a godwit.Session, and as any
// program would use it, through DB.Update and DB.View.
//
// Nothing here allocates per transaction: each session has one transaction handle
// and one function for the database, made when it opens.
package benchdb

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
)

// API is the way into the database.
type API string

const (
	// Procedures run on a godwit.Session each: a transaction returns at
	// executed, and its session goes on while it waits for its release.
	Procedures API = "procedures"
	// Public is DB.Update and DB.View: a transaction returns at released.
	Public API = "public"
)

// Engine is a database under test.
type Engine struct {
	db   *godwit.DB
	api  API
	name string
}

var (
	_ bench.Engine        = (*Engine)(nil)
	_ bench.StatsReporter = (*Engine)(nil)
	_ bench.Session       = (*procedures)(nil)
	_ bench.Session       = (*public)(nil)
	_ bench.Tx            = (*tx)(nil)
	_ bench.Prefetcher    = (*tx)(nil)
)

// New returns the engine for a database, which Close closes.
func New(db *godwit.DB, api API, name string) (*Engine, error) {
	if api != Procedures && api != Public {
		return nil, fmt.Errorf("benchdb: no API %q, only %s and %s", string(api), Procedures, Public)
	}
	return &Engine{db: db, api: api, name: name}, nil
}

// Name implements bench.Engine.
func (e *Engine) Name() string { return e.name }

// Close implements bench.Engine.
func (e *Engine) Close() error { return e.db.Close() }

// CreateTable implements bench.Engine.
func (e *Engine) CreateTable(name string, kind bench.TableKind) (bench.Table, error) {
	k := godwit.Ordered
	if kind == bench.Hashed {
		k = godwit.Hashed
	}
	t, err := e.db.CreateTable(context.Background(), name, k)
	if err != nil {
		return nil, err // a nil *godwit.Table in a bench.Table would not be nil
	}
	return t, nil
}

// OpenTable implements bench.Engine.
func (e *Engine) OpenTable(name string) (bench.Table, error) {
	t, err := e.db.Table(name)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", err, translate(err))
	}
	return t, nil
}

// NewSession implements bench.Engine. The database chooses the worker.
func (e *Engine) NewSession(int) (bench.Session, error) {
	if e.api == Public {
		s := &public{db: e.db}
		s.run = s.runs
		return s, nil
	}
	inner, err := e.db.NewSession()
	if err != nil {
		return nil, err
	}
	s := &procedures{session: inner}
	s.run = s.runs
	return s, nil
}

// Stats implements bench.StatsReporter.
func (e *Engine) Stats() map[string]float64 {
	s := e.db.Stats()
	figures := map[string]float64{
		"committed":            float64(s.Committed),
		"conflicts":            float64(s.Conflicts),
		"records":              float64(s.Records),
		"deleted_records":      float64(s.DeletedRecords),
		"old_versions":         float64(s.OldVersions),
		"memory_used_bytes":    float64(s.MemoryUsedBytes),
		"memory_live_bytes":    float64(s.MemoryLiveBytes),
		"memory_retired_bytes": float64(s.MemoryRetiredBytes),
		"log_written_bytes":    float64(s.Log.WrittenBytes),
		"log_syncs":            float64(s.Log.Syncs),
		"log_rounds":           float64(s.Log.Rounds),
		"log_disk_bytes":       float64(s.Log.DiskBytes),
		"sync_p50_ns":          float64(s.Log.SyncP50),
		"sync_p99_ns":          float64(s.Log.SyncP99),
		"checkpoint_bytes":     float64(s.Checkpoint.Bytes),
	}
	if s.Records > 0 {
		figures["memory_used_per_record_bytes"] = float64(s.MemoryUsedBytes) / float64(s.Records)
	}
	return figures
}

// attempt is what both kinds of session have: the function that the database
// calls, which calls the workload's.
type attempt struct {
	tx tx
	fn func(bench.Tx) error
	// run is the method runs, bound once.
	run func(*godwit.Tx) error
	// attempts counts how often the database called run, calls how often the
	// workload began a transaction: the difference were conflicts.
	attempts, calls uint64
}

func (a *attempt) runs(inner *godwit.Tx) error {
	a.attempts++
	a.tx.inner = inner
	return a.fn(&a.tx)
}

func (a *attempt) begin(fn func(bench.Tx) error) {
	a.fn = fn
	a.calls++
}

// Aborts implements bench.Session.
func (a *attempt) Aborts() uint64 { return a.attempts - min(a.calls, a.attempts) }

// procedures is a session that executes in the process and runs ahead of the
// releases.
type procedures struct {
	attempt
	session *godwit.Session
}

// Update implements bench.Session.
func (s *procedures) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.begin(fn)
	ts, err := s.session.Update(s.run)
	return bench.Timestamp(ts), err
}

// View implements bench.Session.
func (s *procedures) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.begin(fn)
	ts, err := s.session.View(s.run)
	return bench.Timestamp(ts), err
}

// Released implements bench.Session.
func (s *procedures) Released() bench.Timestamp { return bench.Timestamp(s.session.Released()) }

// Close implements bench.Session.
func (s *procedures) Close() error {
	s.session.Close()
	return nil
}

// public is a session that calls the database as any program does.
type public struct {
	attempt
	db *godwit.DB
}

// Update implements bench.Session.
func (s *public) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.begin(fn)
	return 0, s.db.Update(context.Background(), s.run)
}

// View implements bench.Session.
func (s *public) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.begin(fn)
	return 0, s.db.View(context.Background(), s.run)
}

// Released implements bench.Session: what has returned is released.
func (s *public) Released() bench.Timestamp { return math.MaxUint64 }

// Close implements bench.Session.
func (s *public) Close() error { return nil }

// tx is a transaction for a workload.
type tx struct{ inner *godwit.Tx }

// own returns a table as what CreateTable returned.
func own(t bench.Table) *godwit.Table {
	return t.(*godwit.Table) //nolint:forcetypeassert // another engine's table is a mistake of the caller
}

// translate makes the database's errors those of bench.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, godwit.ErrNotFound), errors.Is(err, godwit.ErrNoTable):
		return bench.ErrNotFound
	case errors.Is(err, godwit.ErrExists):
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

// Prefetch implements bench.Prefetcher.
func (x *tx) Prefetch(t bench.Table, keys [][]byte) { x.inner.Prefetch(own(t), keys) }

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
	x.inner.Scan(own(t), godwit.Range{From: from, To: to, Reverse: reverse, Limit: limit})(each)
	return x.inner.Err()
}

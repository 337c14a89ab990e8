package syncrepl

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/godwitdb/godwit/bench"
)

// Waiter is what the sessions of the engine below have, too.
type Waiter interface {
	bench.Session
	// Wait returns nil when what the session has executed at a timestamp is released, and
	// an error if it will not be.
	Wait(ctx context.Context, ts bench.Timestamp) error
}

// Engine replicates before it commits. It is a bench.Engine.
type Engine struct {
	bench.Engine
	locks *locks
	ages  atomic.Uint64
}

// New returns an engine on top of one whose sessions are Waiters. Nobody else writes to
// that.
func New(below bench.Engine) *Engine { return &Engine{Engine: below, locks: newLocks()} }

// Name implements bench.Engine.
func (e *Engine) Name() string { return e.Engine.Name() + ", replicated before locks are given back" }

// NewSession implements bench.Engine.
func (e *Engine) NewSession(worker int) (bench.Session, error) {
	inner, err := e.Engine.NewSession(worker)
	if err != nil {
		return nil, err
	}
	below, ok := inner.(Waiter)
	if !ok {
		return nil, errors.Join(fmt.Errorf("syncrepl: nobody can wait for a session of %s", e.Engine.Name()), inner.Close())
	}
	s := &session{Waiter: below, engine: e, owner: newOwner(), wrote: map[name]struct{}{}}
	s.run = s.runs
	return s, nil
}

// session has one owner of locks, for one transaction after the other.
type session struct {
	Waiter
	engine *Engine
	owner  *owner
	// wrote are the keys that earlier attempts of the transaction have locked exclusively.
	wrote  map[name]struct{}
	wounds uint64
	tx     tx
	fn     func(bench.Tx) error
	run    func(bench.Tx) error // the method runs, bound once
}

// runs is one attempt of the engine below. It keeps the locks of the one before, if the
// engine has found that in conflict.
func (s *session) runs(below bench.Tx) error {
	s.tx = tx{below: below, session: s}
	err := s.fn(&s.tx)
	if s.tx.err != nil {
		err = s.tx.err // whatever the workload has made of it
	}
	return err
}

// Update implements bench.Session: it returns when the transaction is released.
func (s *session) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	ts, err := s.attempts(fn, s.Waiter.Update)
	s.engine.locks.release(s.owner, shared) // what it has only read is released: others may change it
	if err == nil && len(s.owner.held) > 0 {
		err = s.Wait(context.Background(), ts)
	}
	s.engine.locks.release(s.owner, exclusive)
	return ts, err
}

// View implements bench.Session. Whatever a transaction has read under its locks is
// released.
func (s *session) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	ts, err := s.attempts(fn, s.Waiter.View)
	s.engine.locks.release(s.owner, exclusive)
	return ts, err
}

// attempts runs fn until no older transaction wants one of its locks before it is
// executed. The locks are held afterwards.
func (s *session) attempts(fn func(bench.Tx) error, execute func(func(bench.Tx) error) (bench.Timestamp, error)) (bench.Timestamp, error) {
	s.fn, s.owner.age = fn, s.engine.ages.Add(1)
	clear(s.wrote)
	for {
		ts, err := execute(s.run)
		if !errors.Is(err, errWounded) {
			return ts, err
		}
		s.wounds++
		for n, m := range s.owner.held {
			if m == exclusive {
				s.wrote[n] = struct{}{}
			}
		}
		s.engine.locks.release(s.owner, exclusive)
	}
}

// Aborts implements bench.Session.
func (s *session) Aborts() uint64 { return s.Waiter.Aborts() + s.wounds }

// tx locks what it accesses.
type tx struct {
	below   bench.Tx
	session *session
	err     error // errWounded, if it is
}

func (x *tx) lock(t bench.Table, key []byte, m mode) error {
	if x.err != nil {
		return x.err
	}
	n := name{t.Name(), string(key)}
	if _, again := x.session.wrote[n]; again {
		m = exclusive
	}
	x.err = x.session.engine.locks.acquire(x.session.owner, n, m)
	return x.err
}

// Get implements bench.Tx.
func (x *tx) Get(t bench.Table, key []byte) ([]byte, error) {
	if err := x.lock(t, key, shared); err != nil {
		return nil, err
	}
	return x.below.Get(t, key)
}

// GetMany implements bench.Tx.
func (x *tx) GetMany(t bench.Table, keys, values [][]byte) error {
	for _, key := range keys {
		if err := x.lock(t, key, shared); err != nil {
			return err
		}
	}
	return x.below.GetMany(t, keys, values)
}

// Put implements bench.Tx.
func (x *tx) Put(t bench.Table, key, value []byte) error {
	if err := x.lock(t, key, exclusive); err != nil {
		return err
	}
	return x.below.Put(t, key, value)
}

// Insert implements bench.Tx.
func (x *tx) Insert(t bench.Table, key, value []byte) error {
	if err := x.lock(t, key, exclusive); err != nil {
		return err
	}
	return x.below.Insert(t, key, value)
}

// Delete implements bench.Tx.
func (x *tx) Delete(t bench.Table, key []byte) error {
	if err := x.lock(t, key, exclusive); err != nil {
		return err
	}
	return x.below.Delete(t, key)
}

// Scan implements bench.Tx. A key is locked when it is found; if it is changed by then, the
// engine below finds that out and runs the transaction again, which has the lock already.
func (x *tx) Scan(t bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	err := x.below.Scan(t, from, to, reverse, limit, func(key, value []byte) bool {
		return x.lock(t, key, shared) == nil && each(key, value)
	})
	if x.err != nil {
		return x.err
	}
	return err
}

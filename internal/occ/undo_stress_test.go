package occ

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// TestRollBackUnderLoad moves money between accounts that come and go, while the engine is
// sealed, rolled back and unsealed again and again; the sum never changes, whoever reads it, however.
func TestRollBackUnderLoad(t *testing.T) {
	const rollbacks, workers, perTerm = 30, 2, 40
	clock := &hlc.Clock{}
	var released atomic.Uint64
	e := newUndoable(t, workers, clock, func() hlc.Timestamp { return hlc.Timestamp(released.Load()) })
	l := load{t: t, e: e, table: newTable(t, e, 1, true), hashed: newTable(t, e, 2, false)}
	for _, table := range []*Table{l.table, l.hashed} {
		update(t, e, func(tx *Tx) error { return tx.Put(table, l.key(0), l.amount(loadTotal)) })
	}
	released.Store(uint64(clock.Last()))
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() { l.move(g) })
	}
	wg.Go(l.view)
	wg.Go(l.snapshots)
	wg.Go(func() {
		for !l.stop.Load() {
			e.Maintain()
		}
	})
	rng := rand.New(rand.NewPCG(1, 1))
	between := func() hlc.Timestamp {
		from := hlc.Timestamp(released.Load())
		return from + hlc.Timestamp(rng.Uint64N(uint64(clock.Last()-from)+1))
	}
	// A busy machine may leave readers no time between two rollbacks.
	for n := 0; n < rollbacks || l.good.Load() == 0 || l.void.Load() == 0; n++ {
		for until := l.moved.Load() + perTerm; l.moved.Load() < until && !t.Failed(); {
			released.Store(uint64(between()))
			must(t, l.check(e.BeginView))
		}
		e.Seal()
		executed := l.moved.Load()
		final := between()
		must(t, e.RollBack(final))
		released.Store(uint64(final))
		s, err := e.OpenSnapshotAt(final)
		must(t, err)
		tx, err := s.Begin(t.Context())
		must(t, err)
		if err := l.sum(tx); err != nil {
			t.Errorf("rolled back to %d: %v", final, err)
		}
		tx.End()
		s.Close()
		if n := l.moved.Load(); n > executed+workers { // who had executed and not counted yet
			t.Errorf("%d transactions executed in a sealed engine", n-executed)
		}
		e.Unseal()
	}
	l.stop.Store(true)
	wg.Wait()
	released.Store(uint64(clock.Last()))
	settle(e)
	if s := e.Stats(); s.Versions != 0 || s.Undoable != 0 || s.Deleted != 0 || s.Retired != 0 {
		t.Errorf("garbage is left: %+v", s)
	}
}

const loadAccounts, loadTotal = 40, 60000

// load is what goes on while the engine is rolled back.
type load struct {
	t             *testing.T
	e             *Engine
	table, hashed *Table
	stop          atomic.Bool
	moved         atomic.Int64
	good, void    atomic.Int64 // readings of snapshots
}

func (l *load) key(i int) []byte { return fmt.Appendf(nil, "account-%05d", i) }

// amount returns a value whose length says the same as its beginning.
func (l *load) amount(n uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, n), strings.Repeat("x", int(n%3000))...)
}

// ended tells whether an error is one of those that a rollback makes.
func ended(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrSealed) || errors.Is(err, ErrRolledBack)
}

func (l *load) move(g int) {
	rng := rand.New(rand.NewPCG(uint64(g), 7))
	b, err := l.e.NewBound(g)
	must(l.t, err)
	defer b.Drop()
	for !l.stop.Load() {
		tx, err := b.Begin()
		must(l.t, err)
		from, to := rng.IntN(loadAccounts), rng.IntN(loadAccounts)
		share := 1 + rng.Uint64N(4)
		for _, table := range []*Table{l.table, l.hashed} {
			if from != to && err == nil {
				err = l.transfer(tx, table, from, to, share)
			}
		}
		if err == nil {
			_, err = tx.Commit()
		}
		switch {
		case err == nil:
			l.moved.Add(1)
		case !ended(err):
			l.t.Errorf("move: %v", err)
		}
		tx.Finish()
	}
}

func (l *load) transfer(tx *Tx, table *Table, a, b int, share uint64) error {
	from, err := tx.Get(table, l.key(a))
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	have := binary.LittleEndian.Uint64(from)
	move := have / share
	var there uint64
	to, err := tx.Get(table, l.key(b))
	if err == nil {
		there = binary.LittleEndian.Uint64(to)
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	if move == have {
		err = tx.Delete(table, l.key(a))
	} else {
		err = tx.Put(table, l.key(a), l.amount(have-move))
	}
	return errors.Join(err, tx.Put(table, l.key(b), l.amount(there+move)))
}

// sum adds up all accounts of both tables, one by a scan, the other key by key, and returns
// an error if it is not what it has to be.
func (l *load) sum(tx *Tx) error {
	var scanned, got uint64
	broken := error(nil)
	add := func(to *uint64, v []byte) {
		if len(v) < 8 || uint64(len(v)) != 8+binary.LittleEndian.Uint64(v)%3000 {
			broken = fmt.Errorf("a value of %d bytes is torn: %.10x", len(v), v)
			return
		}
		*to += binary.LittleEndian.Uint64(v)
	}
	if err := tx.Scan(l.table, Range{}, func(_, v []byte) bool { add(&scanned, v); return true }); err != nil {
		return err
	}
	for i := range loadAccounts {
		v, err := tx.Get(l.hashed, l.key(i))
		if err == nil {
			add(&got, v)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if _, err := tx.Commit(); err != nil {
		return err
	}
	if broken == nil && (scanned != loadTotal || got != loadTotal) {
		broken = fmt.Errorf("sums of %d and %d, want %d", scanned, got, loadTotal)
	}
	return broken
}

// check reads the sum in a transaction, unless a rollback comes in between.
func (l *load) check(begin func(context.Context) (*Tx, error)) error {
	tx, err := begin(l.t.Context())
	if err == nil {
		err = l.sum(tx)
		tx.End()
	}
	if ended(err) {
		return nil
	}
	return err
}

func (l *load) view() {
	for !l.stop.Load() {
		if err := l.check(l.e.BeginView); err != nil {
			l.t.Errorf("view: %v", err)
		}
	}
}

func (l *load) snapshots() {
	var held []*Snapshot
	for n := 0; !l.stop.Load(); n++ {
		if s, err := l.e.OpenSnapshot(); err == nil {
			held = append(held, s)
		} else if !errors.Is(err, ErrSealed) {
			l.t.Errorf("open: %v", err)
		}
		for _, s := range held {
			tx, err := s.Begin(l.t.Context())
			if err == nil {
				err = l.sum(tx)
				tx.End()
			}
			switch {
			case err == nil:
				l.good.Add(1)
			case errors.Is(err, ErrRolledBack):
				l.void.Add(1)
			default:
				l.t.Errorf("snapshot %d: %v", s.Timestamp(), err)
			}
		}
		if len(held) > 4 {
			i := n % len(held)
			held[i].Close()
			held = append(held[:i], held[i+1:]...)
		}
	}
	for _, s := range held {
		s.Close()
	}
}

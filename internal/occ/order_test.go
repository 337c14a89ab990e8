package occ

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// Transactions read, and write, what they would if they ran one after the other by
// their timestamps (Invariant I4), also those that only read what others write: a state
// at a timestamp, on a follower or in a snapshot, rests on that.
func TestTimestampsAreTheSerialOrder(t *testing.T) {
	const rounds = 4000
	e := newEngine(t, 64<<20, 2)
	table := newTable(t, e, 1, true)
	put(t, e, table, "counted", string(make([]byte, 8)))
	type event struct {
		ts      hlc.Timestamp
		counted uint64
		wrote   bool // counted; else read
	}
	events := make([][]event, 2)
	errs := make([]error, 2)
	// attempt reads the count and runs fn, once.
	attempt := func(tx *Tx, fn func(tx *Tx, v uint64) error) (event, error) {
		v, err := tx.Get(table, []byte("counted"))
		if err != nil {
			return event{}, err
		}
		counted := binary.BigEndian.Uint64(v)
		if err := fn(tx, counted); err != nil {
			return event{}, err
		}
		ts, err := tx.Commit()
		return event{ts: ts, counted: counted}, err
	}
	run := func(g int, fn func(tx *Tx, v uint64) error) error {
		b, err := e.NewBound(g)
		if err != nil {
			return err
		}
		defer b.Drop()
		for range rounds {
			tx, err := b.Begin()
			if err != nil {
				return err
			}
			x, err := attempt(tx, fn)
			for errors.Is(err, ErrConflict) {
				if err = tx.Retry(); err == nil {
					x, err = attempt(tx, fn)
				}
			}
			tx.Finish()
			if err != nil {
				return err
			}
			events[g] = append(events[g], x)
		}
		return nil
	}
	var both sync.WaitGroup
	both.Go(func() {
		errs[0] = run(0, func(tx *Tx, v uint64) error {
			return tx.Put(table, []byte("counted"), binary.BigEndian.AppendUint64(nil, v+1))
		})
	})
	both.Go(func() {
		errs[1] = run(1, func(tx *Tx, v uint64) error {
			return tx.Put(table, []byte("copied"), binary.BigEndian.AppendUint64(nil, v))
		})
	})
	both.Wait()
	must(t, errors.Join(errs...))
	for i := range events[0] {
		events[0][i].wrote = true
		events[0][i].counted++
	}
	all := slices.Concat(events...)
	slices.SortFunc(all, func(a, b event) int { return cmp.Compare(a.ts, b.ts) })
	var counted uint64
	for _, x := range all {
		if x.wrote {
			counted++
		}
		if x.counted != counted {
			t.Fatalf("at %d: %d, in the order of timestamps it is %d", x.ts, x.counted, counted)
		}
	}
	if counted != rounds || len(all) != 2*rounds {
		t.Errorf("%d of %d transactions", len(all), 2*rounds)
	}
}

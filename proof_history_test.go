package godwit

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/history"
)

// historyLoad runs clients on few keys and records what they see.
type historyLoad struct {
	t        *testing.T
	workload history.Workload
	rec      *history.Recorder
	keys     int
	// conflicts is how many attempts were in conflict.
	conflicts uint64
	db        *DB
	tables    [2]*Table // a key belongs to one of them
}

// place returns the table and the name of a key. Ranges need an order.
func (l *historyLoad) place(k history.Key) (*Table, []byte) {
	name := binary.BigEndian.AppendUint64(nil, uint64(k))
	if l.workload == history.Sets {
		return l.tables[0], name
	}
	return l.tables[k%2], name
}

func historyKey(name []byte) history.Key { return history.Key(binary.BigEndian.Uint64(name)) }

func decodeValues(v []byte) []history.Value {
	var values []history.Value
	for ; len(v) >= 8; v = v[8:] {
		values = append(values, history.Value(binary.LittleEndian.Uint64(v)))
	}
	return values
}

func encodeValue(to []byte, v history.Value) []byte {
	return binary.LittleEndian.AppendUint64(to, uint64(v))
}

// get returns the values of a key, none if it does not exist.
func (l *historyLoad) get(tx *Tx, k history.Key) ([]byte, error) {
	table, name := l.place(k)
	v, err := tx.Get(table, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// read records a read of any key or of a range.
func (l *historyLoad) read(tx *Tx, h history.Tx, rng *rand.Rand) error {
	k := history.Key(rng.IntN(l.keys))
	if l.workload == history.Sets && rng.IntN(2) == 0 {
		to := k + history.Key(1+rng.IntN(l.keys))
		_, from := l.place(k)
		_, end := l.place(to)
		var found []history.Pair
		for name, v := range tx.Scan(l.tables[0], Range{From: from, To: end, Reverse: rng.IntN(2) == 0}) {
			found = append(found, history.Pair{Key: historyKey(name), Value: decodeValues(v)[0]})
		}
		h.Range(k, to, found)
		return tx.Err()
	}
	return l.readKey(tx, h, k)
}

// readKey records a read of a key.
func (l *historyLoad) readKey(tx *Tx, h history.Tx, k history.Key) error {
	v, err := l.get(tx, k)
	if err != nil {
		return err
	}
	values := decodeValues(v)
	switch {
	case l.workload == history.Lists:
		h.List(k, values)
	case len(values) == 0:
		h.Read(k, 0, false)
	default:
		h.Read(k, values[0], true)
	}
	return nil
}

// write records a write of one key.
func (l *historyLoad) write(tx *Tx, h history.Tx, c *history.Client, rng *rand.Rand) error {
	k, v := history.Key(rng.IntN(l.keys)), c.Unique()
	table, name := l.place(k)
	switch {
	case l.workload == history.Lists:
		old, err := l.get(tx, k)
		if err != nil {
			return err
		}
		h.Append(k, v)
		return tx.Put(table, name, encodeValue(append([]byte(nil), old...), v))
	case l.workload == history.Sets && rng.IntN(3) == 0:
		h.Delete(k)
		return tx.Delete(table, name)
	case l.workload == history.Sets && rng.IntN(3) == 0:
		err := tx.Insert(table, name, encodeValue(nil, v))
		if errors.Is(err, ErrExists) {
			old, err := l.get(tx, k)
			if err == nil && len(old) == 8 {
				h.Read(k, decodeValues(old)[0], true)
			}
			return err
		}
		if err == nil {
			h.Insert(k, v)
		}
		return err
	}
	h.Write(k, v)
	return tx.Put(table, name, encodeValue(nil, v))
}

// client runs transactions in all the ways that there are.
func (l *historyLoad) client(id history.ClientID, seed uint64, txs int) error {
	ctx := l.t.Context()
	rng := rand.New(rand.NewPCG(seed, uint64(id)))
	c := l.rec.Client(id)
	session, err := l.db.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	var pending *Pending
	for range txs {
		h := c.Begin()
		course := rng.Uint64()
		run := func(writes bool) func(*Tx) error {
			return l.transaction(c, h, course, writes, func(*rand.Rand) { runtime.Gosched() })
		}
		switch rng.IntN(8) {
		case 0, 1:
			err = l.db.View(ctx, run(false))
		case 2:
			err = l.snapshot(ctx, run(false))
		case 3:
			// Executed is when others see it; to be there in order is enough.
			if pending, err = l.db.UpdateAsync(ctx, run(true)); err == nil && rng.IntN(2) == 0 {
				err = pending.Wait(ctx)
			}
		case 4:
			_, err = session.Update(run(true))
		case 5:
			_, err = session.View(run(false))
		default:
			err = l.db.Update(ctx, run(true))
		}
		if err != nil {
			h.Unknown()
			return err
		}
		h.OK()
	}
	if pending != nil {
		return pending.Wait(ctx)
	}
	return nil
}

// transaction returns a transaction of a few reads and writes, which are the same in
// each attempt: course draws them. between lets others come in between.
func (l *historyLoad) transaction(c *history.Client, h history.Tx, course uint64, writes bool, between func(*rand.Rand)) func(*Tx) error {
	return func(tx *Tx) error {
		h.Restart()
		rng := rand.New(rand.NewPCG(course, 1))
		for range 1 + rng.IntN(4) {
			between(rng)
			var err error
			if writes && rng.IntN(2) == 0 {
				err = l.write(tx, h, c, rng)
			} else {
				err = l.read(tx, h, rng)
			}
			if err != nil {
				return err
			}
		}
		between(rng)
		return nil
	}
}

func (l *historyLoad) snapshot(ctx context.Context, fn func(*Tx) error) error {
	s, err := l.db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.View(ctx, fn)
}

// live runs clients on a database, with checkpoints beside them.
func (l *historyLoad) live(o *Options, seed uint64, clients, txs int) {
	t := l.t
	db, err := Open(proofDir, o)
	must(t, err)
	l.db = db
	for i, name := range []string{"o", "h"} {
		if l.tables[i], err = db.Table(name); errors.Is(err, ErrNoTable) {
			l.tables[i], err = db.CreateTable(t.Context(), name, []TableKind{Ordered, Hashed}[i])
		}
		must(t, err)
	}
	stop := make(chan struct{})
	var wg, beside sync.WaitGroup
	beside.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if err := db.Checkpoint(t.Context()); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	for id := range clients {
		wg.Go(func() {
			if err := l.client(history.ClientID(id), seed, txs); err != nil {
				t.Errorf("client %d: %v", id, err)
			}
		})
	}
	wg.Wait()
	close(stop)
	beside.Wait()
	stats := db.Stats()
	must(t, db.Close())
	l.conflicts += stats.Conflicts
}

func TestProofHistories(t *testing.T) {
	for _, w := range []history.Workload{history.Lists, history.Registers, history.Sets} {
		t.Run(w.String(), func(t *testing.T) {
			forSeeds(t, 3, func(t *testing.T, seed uint64) {
				rng := rand.New(rand.NewPCG(seed, 6))
				l := &historyLoad{t: t, workload: w, keys: 3 + rng.IntN(10), rec: history.NewRecorder(w, history.Increasing(history.MonotonicClock()))}
				f := faultfs.New(seed)
				for life := range uint64(2) { // the second goes on with what the first has left
					o := onFaults(f)
					o.Workers = 1 + rng.IntN(4)
					o.Durability = []Durability{DurabilityDisk, DurabilityBackground}[rng.IntN(2)]
					l.live(o, seed*10+life, 8, 400)
				}
				h := l.rec.History()
				r, err := history.Check(h, history.Options{})
				must(t, err)
				if !r.OK() {
					t.Fatal(r.String())
				}
				if r.Committed < 2*8*400 || l.conflicts < 100 {
					t.Fatalf("only %d transactions and %d conflicts were checked", r.Committed, l.conflicts)
				}
			})
		})
	}
}

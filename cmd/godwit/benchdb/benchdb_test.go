package benchdb_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/tpcc"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchdb"
)

func open(t *testing.T, d godwit.Durability, api benchdb.API) *benchdb.Engine {
	t.Helper()
	dir := ""
	if d != godwit.DurabilityNone {
		dir = t.TempDir()
	}
	db, err := godwit.Open(dir, &godwit.Options{Durability: d, MemoryLimit: 64 << 20, LogSegmentBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e, err := benchdb.New(db, api, "godwit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestWorkloads runs the workloads through both ways into the database, at each
// durability, and lets the workloads' own checks judge.
func TestWorkloads(t *testing.T) {
	duration := 200 * time.Millisecond
	if testing.Short() {
		duration /= 4
	}
	for _, d := range []godwit.Durability{godwit.DurabilityNone, godwit.DurabilityBackground, godwit.DurabilityDisk} {
		for _, api := range []benchdb.API{benchdb.Procedures, benchdb.Public} {
			for _, w := range workloads(t) {
				if d == godwit.DurabilityBackground && w.Name() != "tpcc" {
					continue // the others see no more of it than of the other two
				}
				t.Run(fmt.Sprintf("%v,%s,%s", d, api, w.Name()), func(t *testing.T) {
					e := open(t, d, api)
					r, err := bench.Measure(t.Context(), e, w, bench.Config{Sessions: 3, Duration: duration}, nil)
					if err != nil {
						t.Fatal(err)
					}
					if r.Executed == 0 || r.EngineStats["records"] == 0 {
						t.Errorf("%d executed, stats %v", r.Executed, r.EngineStats)
					}
				})
			}
		}
	}
}

// workloads returns one of each, small.
func workloads(t *testing.T) []bench.Workload {
	t.Helper()
	var all []bench.Workload
	for _, m := range []ycsb.Mix{ycsb.D, ycsb.E, ycsb.F, ycsb.PlusPlus} {
		c := ycsb.For(m)
		c.Records = 1000
		if m == ycsb.D {
			c.Table = bench.Hashed
		}
		if m == ycsb.PlusPlus {
			c.Table, c.Ahead = bench.Hashed, 2
		}
		w, err := ycsb.New(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	w, err := tpcc.New(tpcc.Config{Warehouses: 2, Items: 300, Customers: 30, KeyTables: bench.Hashed})
	if err != nil {
		t.Fatal(err)
	}
	return append(all, w)
}

// TestReopenedDatabaseIsConsistent closes a database in the middle of its log and
// checks what the next Open recovers.
func TestReopenedDatabaseIsConsistent(t *testing.T) {
	dir := t.TempDir()
	options := &godwit.Options{MemoryLimit: 64 << 20, LogSegmentBytes: 4 << 20}
	c := tpcc.Config{Warehouses: 2, Items: 300, Customers: 30, KeyTables: bench.Hashed}
	for round := range 2 {
		db, err := godwit.Open(dir, options)
		if err != nil {
			t.Fatal(err)
		}
		e, err := benchdb.New(db, benchdb.Procedures, "godwit")
		if err != nil {
			t.Fatal(err)
		}
		w, err := tpcc.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			_, err = bench.Measure(t.Context(), e, w, bench.Config{Sessions: 2, Duration: 200 * time.Millisecond}, nil)
		} else {
			err = errors.Join(w.Open(e), w.Check(t.Context(), e, 2))
		}
		if err = errors.Join(err, e.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestErrorsAreThoseOfBench(t *testing.T) {
	e := open(t, godwit.DurabilityNone, benchdb.Procedures)
	table, err := e.CreateTable("t", bench.Ordered)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.CreateTable("t", bench.Ordered); err == nil || again != nil {
		t.Errorf("made a table twice: %v, %v", again, err)
	}
	if missing, err := e.OpenTable("u"); !errors.Is(err, bench.ErrNotFound) || missing != nil {
		t.Errorf("opened a table that is not there: %v, %v", missing, err)
	}
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before, err := s.Update(func(tx bench.Tx) error {
		if _, err := tx.Get(table, []byte("k")); !errors.Is(err, bench.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
		return tx.Insert(table, []byte("k"), []byte("v"))
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.Update(func(tx bench.Tx) error {
		if err := tx.Insert(table, []byte("k"), nil); !errors.Is(err, bench.ErrExists) {
			t.Errorf("Insert: %v", err)
		}
		return bench.ErrRollback
	})
	if !errors.Is(err, bench.ErrRollback) || after < before {
		t.Errorf("timestamps %d and %d, error %v", before, after, err)
	}
	if _, err := benchdb.New(nil, "x", ""); err == nil {
		t.Error("API x is accepted")
	}
}

// TestConflictsAreCounted makes a transaction conflict once by writing what it
// has read while it runs.
func TestConflictsAreCounted(t *testing.T) {
	for _, api := range []benchdb.API{benchdb.Procedures, benchdb.Public} {
		e := open(t, godwit.DurabilityNone, api)
		table, err := e.CreateTable("t", bench.Ordered)
		if err != nil {
			t.Fatal(err)
		}
		var sessions [2]bench.Session
		for i := range sessions {
			if sessions[i], err = e.NewSession(i); err != nil {
				t.Fatal(err)
			}
			defer sessions[i].Close()
		}
		put := func(tx bench.Tx) error { return tx.Put(table, []byte("k"), []byte("v")) }
		if _, err := sessions[1].Update(put); err != nil {
			t.Fatal(err)
		}
		disturbed := false
		_, err = sessions[0].Update(func(tx bench.Tx) error {
			if _, err := tx.Get(table, []byte("k")); err != nil {
				return err
			}
			if !disturbed {
				disturbed = true
				other := make(chan error)
				go func() {
					_, err := sessions[1].Update(put)
					other <- err
				}()
				if err := <-other; err != nil {
					return err
				}
			}
			return tx.Put(table, []byte("l"), nil)
		})
		if err != nil || sessions[0].Aborts() != 1 || sessions[1].Aborts() != 0 {
			t.Errorf("%s: %d and %d aborts, error %v", api, sessions[0].Aborts(), sessions[1].Aborts(), err)
		}
	}
}

package benchshard_test

import (
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/tpcc"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
)

func alone(t *testing.T) *benchshard.Alone {
	t.Helper()
	e, err := benchshard.NewAlone(256<<20, 2)
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

func snapshot(t *testing.T, e *benchshard.Alone) *benchshard.Snapshot {
	t.Helper()
	opened, err := e.Engine().OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	s := benchshard.NewSnapshot(e.Engine(), opened)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestWorkloads runs the workloads on an engine alone and checks them there and through a
// snapshot, as somebody who has not loaded them sees it.
func TestWorkloads(t *testing.T) {
	for _, kind := range []bench.TableKind{bench.Ordered, bench.Hashed} {
		c := ycsb.For(ycsb.PlusPlus)
		c.Records, c.Table = 1000, kind
		for _, open := range []func() (bench.Workload, error){
			func() (bench.Workload, error) { return ycsb.New(c) },
			func() (bench.Workload, error) {
				return tpcc.New(tpcc.Config{Warehouses: 2, Items: 300, Customers: 30, KeyTables: kind})
			},
		} {
			e := alone(t)
			w, err := open()
			if err != nil {
				t.Fatal(err)
			}
			r, err := bench.Measure(t.Context(), e, w, bench.Config{Sessions: 2, Duration: 50 * time.Millisecond}, nil)
			if err != nil || r.Executed == 0 {
				t.Fatalf("%s: %v", w.Name(), err)
			}
			s := snapshot(t, e)
			if err := w.Check(t.Context(), s, 2); err != nil {
				t.Error(err)
			}
			if w, err = open(); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Open(s), w.Check(t.Context(), s, 2)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestChecksum holds that the order of writes does not count, and every bit does.
func TestChecksum(t *testing.T) {
	type row struct {
		kind       bench.TableKind
		key, value string
	}
	sum := func(rows ...row) benchshard.Checksum {
		e := alone(t)
		s, err := e.NewSession(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []bench.TableKind{bench.Ordered, bench.Hashed} {
			if _, err := e.CreateTable(kind.String(), kind); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range rows {
			table, err := e.OpenTable(r.kind.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Update(func(tx bench.Tx) error { return tx.Put(table, []byte(r.key), []byte(r.value)) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c, err := snapshot(t, e).Checksum(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b, c := row{bench.Ordered, "a", "1"}, row{bench.Hashed, "b", "2"}, row{bench.Hashed, "c", "3"}
	all := sum(a, b, c)
	if all.Rows != 3 || all.Tables != 2 {
		t.Errorf("%v", all)
	}
	if got := sum(c, a, b); got != all {
		t.Errorf("in another order %v, not %v", got, all)
	}
	for _, other := range [][]row{
		{a, b}, {a, b, {bench.Hashed, "c", "4"}}, {a, b, {bench.Hashed, "d", "3"}}, {{bench.Hashed, "a", "1"}, b, c}, {a, b, {bench.Hashed, "c3", ""}},
	} {
		if got := sum(other...); got == all {
			t.Errorf("%v has the same checksum", other)
		}
	}
}

func TestSnapshotIsReadOnly(t *testing.T) {
	e := alone(t)
	s, err := snapshot(t, e).NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(func(bench.Tx) error { return nil }); err == nil {
		t.Error("an update of a snapshot")
	}
	if _, err := e.OpenTable("none"); !errors.Is(err, bench.ErrNotFound) {
		t.Error(err)
	}
}

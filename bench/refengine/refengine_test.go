package refengine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

func open(t *testing.T, o refengine.Options) (*refengine.Engine, bench.Table, bench.Session) {
	t.Helper()
	e := refengine.New(o)
	table, err := e.CreateTable("t", bench.Ordered)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	return e, table, s
}

// content lists a table as "key=value" in order.
func content(t *testing.T, s bench.Session, table bench.Table, from, to []byte, reverse bool, limit int) string {
	t.Helper()
	var got []string
	_, err := s.View(func(tx bench.Tx) error {
		got = got[:0]
		return tx.Scan(table, from, to, reverse, limit, func(k, v []byte) bool {
			got = append(got, fmt.Sprintf("%s=%s", k, v))
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

func TestTransactionSeesItsWritesAndTakesThemBack(t *testing.T) {
	_, table, s := open(t, refengine.Options{})
	put := func(tx bench.Tx) error {
		for _, k := range []string{"b", "d", "a", "c"} {
			if err := tx.Put(table, []byte(k), []byte("1")); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := s.Update(put); err != nil {
		t.Fatal(err)
	}
	before, err := s.Update(func(tx bench.Tx) error {
		if err := errors.Join(
			tx.Put(table, []byte("a"), []byte("2")),
			tx.Delete(table, []byte("b")),
			tx.Insert(table, []byte("e"), []byte{}),
			tx.Delete(table, []byte("e")),
			tx.Insert(table, []byte("f"), []byte("2")),
			tx.Put(table, []byte("f"), []byte("3")),
		); err != nil {
			return err
		}
		if err := tx.Insert(table, []byte("c"), nil); !errors.Is(err, bench.ErrExists) {
			t.Errorf("Insert of a present key: %v", err)
		}
		if _, err := tx.Get(table, []byte("b")); !errors.Is(err, bench.ErrNotFound) {
			t.Errorf("Get of a deleted key: %v", err)
		}
		values := make([][]byte, 3)
		if err := tx.GetMany(table, [][]byte{[]byte("a"), []byte("b"), []byte("f")}, values); err != nil {
			return err
		}
		if got := fmt.Sprintf("%q", values); got != `["2" "" "3"]` || values[1] != nil {
			t.Errorf("GetMany = %s", got)
		}
		return bench.ErrRollback
	})
	if !errors.Is(err, bench.ErrRollback) {
		t.Fatalf("rolled back with %v", err)
	}
	if got, want := content(t, s, table, nil, nil, false, 0), "a=1 b=1 c=1 d=1"; got != want {
		t.Errorf("after the rollback: %s, want %s", got, want)
	}
	after, err := s.Update(put)
	if err != nil || after <= before {
		t.Errorf("timestamp %d after %d, %v", after, before, err)
	}
}

func TestScanBounds(t *testing.T) {
	_, table, s := open(t, refengine.Options{})
	_, err := s.Update(func(tx bench.Tx) error {
		for _, k := range []string{"a", "b", "c", "d"} {
			if err := tx.Insert(table, []byte(k), []byte("1")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		reverse  bool
		limit    int
		want     string
	}{
		{"b", "d", false, 0, "b=1 c=1"},
		{"b", "d", true, 0, "c=1 b=1"},
		{"b", "", false, 0, "b=1 c=1 d=1"},
		{"b", "", true, 0, "d=1 c=1 b=1"},
		{"", "cc", true, 2, "c=1 b=1"},
		{"aa", "z", false, 1, "b=1"},
		{"x", "z", true, 0, ""},
	} {
		var to []byte
		if c.to != "" {
			to = []byte(c.to)
		}
		if got := content(t, s, table, []byte(c.from), to, c.reverse, c.limit); got != c.want {
			t.Errorf("[%q, %q) reverse %v limit %d: %q, want %q", c.from, c.to, c.reverse, c.limit, got, c.want)
		}
	}
}

func TestInjectedAbortsRetryAndCount(t *testing.T) {
	_, table, s := open(t, refengine.Options{AbortEvery: 3})
	runs := 0
	for i := range 20 {
		_, err := s.Update(func(tx bench.Tx) error {
			runs++
			return tx.Insert(table, []byte{byte('a' + i)}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if runs != 29 || s.Aborts() != 9 {
		t.Errorf("%d runs, %d aborts for 20 transactions of which every third attempt fails", runs, s.Aborts())
	}
}

func TestManualRelease(t *testing.T) {
	e, table, s := open(t, refengine.Options{ManualRelease: true})
	ts, err := s.Update(func(tx bench.Tx) error { return tx.Put(table, nil, nil) })
	if err != nil || s.Released() >= ts {
		t.Fatalf("released %d of %d before ReleaseAll, %v", s.Released(), ts, err)
	}
	if n := e.ReleaseAll(); n != 1 || s.Released() != ts {
		t.Errorf("ReleaseAll = %d, released %d of %d", n, s.Released(), ts)
	}
}

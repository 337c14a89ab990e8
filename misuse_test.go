package godwit

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/occ"
)

func TestUseAfterTheEnd(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	hashed := mustTable(t, db, "h", Hashed)
	s, err := db.NewSession()
	must(t, err)
	put := func(tx *Tx) error { return tx.Put(table, []byte("k"), nil) }
	s.Close()
	if _, err := s.Update(put); !errors.Is(err, ErrClosed) {
		t.Errorf("an update in a closed session: %v", err)
	}
	if _, err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("a view in a closed session: %v", err)
	}
	// Also of a transaction that had failed.
	var kept *Tx
	err = db.Update(t.Context(), func(tx *Tx) error {
		kept = tx
		for range tx.Scan(hashed, Range{}) {
		}
		return nil
	})
	if !errors.Is(err, ErrNoOrder) {
		t.Errorf("a scan of a hashed table: %v", err)
	}
	if _, err := kept.Get(table, nil); !errors.Is(err, ErrTxDone) {
		t.Errorf("a read after the end: %v", err)
	}
	if err := kept.GetMany(table, nil, nil); !errors.Is(err, ErrTxDone) {
		t.Errorf("a read of no keys after the end: %v", err)
	}
	err = db.View(t.Context(), func(tx *Tx) error { return tx.GetMany(nil, nil, nil) })
	if !errors.Is(err, ErrNoTable) {
		t.Errorf("a read of no keys in no table: %v", err)
	}
	if err := (*Options)(nil).Validate(); err != nil {
		t.Errorf("no options: %v", err)
	}
}

// What executes a transaction executes others later. Who has kept the Tx of one that is
// over does not get at them.
func TestTxOfAnother(t *testing.T) {
	ctx := t.Context()
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	key, value := []byte("k"), []byte("v")
	must(t, db.Update(ctx, func(tx *Tx) error { return tx.Put(table, key, value) }))
	snap, err := db.Snapshot(ctx)
	must(t, err)
	defer snap.Close()
	session, err := db.NewSession()
	must(t, err)
	defer session.Close()
	inSession := func(run func(func(*Tx) error) (Timestamp, error)) func(func(*Tx) error) error {
		return func(fn func(*Tx) error) error {
			_, err := run(fn)
			return err
		}
	}
	for name, run := range map[string]func(func(*Tx) error) error{
		"Update":         func(fn func(*Tx) error) error { return db.Update(ctx, fn) },
		"View":           func(fn func(*Tx) error) error { return db.View(ctx, fn) },
		"Snapshot.View":  func(fn func(*Tx) error) error { return snap.View(ctx, fn) },
		"Session.Update": inSession(session.Update),
		"Session.View":   inSession(session.View),
	} {
		var kept *Tx
		var before *occ.Tx
		must(t, run(func(tx *Tx) error {
			kept, before = tx, tx.in
			return nil
		}))
		use := func() {
			_, get := kept.Get(table, key)
			_, deleteRange := kept.DeleteRange(table, nil, nil)
			for range kept.Scan(table, Range{}) {
				t.Errorf("a scan after %s shows something", name)
			}
			for call, err := range map[string]error{
				"Get": get, "GetMany": kept.GetMany(table, [][]byte{key}, make([][]byte, 1)), "GetMany of none": kept.GetMany(table, nil, nil),
				"Put": kept.Put(table, []byte("stray"), value), "Insert": kept.Insert(table, []byte("stray"), value),
				"Delete": kept.Delete(table, key), "DeleteRange": deleteRange, "Err": kept.Err(),
			} {
				if !errors.Is(err, ErrTxDone) {
					t.Errorf("%s after %s: %v", call, name, err)
				}
			}
		}
		use()
		again := func(fn func(*Tx) error) error { return db.Update(ctx, fn) }
		if strings.HasPrefix(name, "Session") {
			again = inSession(session.Update)
		}
		same := 0
		for range sessionTxs - 1 {
			must(t, again(func(tx *Tx) error {
				if tx.in == before {
					same++
					use()
				}
				return nil
			}))
		}
		if same == 0 {
			t.Errorf("no transaction was executed by what had executed %s", name)
		}
	}
	must(t, db.View(ctx, func(tx *Tx) error {
		n := 0
		for k, v := range tx.Scan(table, Range{}) {
			if n++; string(k) != "k" || string(v) != "v" {
				t.Errorf("%s=%s is there", k, v)
			}
		}
		if n != 1 {
			t.Errorf("%d keys are there", n)
		}
		return nil
	}))
}

// So it is with a loop over a scan that was put aside.
func TestScanOfAnother(t *testing.T) {
	ctx := t.Context()
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	must(t, db.Update(ctx, func(tx *Tx) error {
		for i := range byte(10) {
			if err := tx.Put(table, []byte{i}, nil); err != nil {
				return err
			}
		}
		return nil
	}))
	count := func(tx *Tx, inside func()) (n int) {
		for k := range tx.Scan(table, Range{}) {
			inside()
			for range tx.Scan(table, Range{From: k, Limit: 1}) {
				n++
			}
		}
		return n
	}
	snap, err := db.Snapshot(ctx)
	must(t, err)
	defer snap.Close()
	for _, run := range []func(func(*Tx) error) error{
		func(fn func(*Tx) error) error { return db.Update(ctx, fn) },
		func(fn func(*Tx) error) error { return snap.View(ctx, fn) },
	} {
		for _, next := range []bool{false, true} {
			var pull func() ([]byte, []byte, bool)
			var stop func()
			var before *occ.Tx
			must(t, run(func(tx *Tx) error {
				before = tx.in
				pull, stop = iter.Pull2(tx.Scan(table, Range{}))
				_, _, ok := pull()
				if !ok {
					t.Error("an empty scan")
				}
				return nil
			}))
			for same := false; !same; {
				must(t, db.Update(ctx, func(tx *Tx) error {
					if same = tx.in == before; !same {
						return nil
					}
					n := count(tx, func() {
						if next {
							if k, _, ok := pull(); ok {
								t.Errorf("a scan that was over shows %v", k)
							}
						}
						stop()
					})
					if again := count(tx, func() {}); n != 10 || again != 10 {
						t.Errorf("%d keys in a loop that ends a scan that was over, %d behind it", n, again)
					}
					return tx.Err()
				}))
			}
			stop()
		}
	}
}

// A session has one transaction: a second one inside it would end the first.
func TestSessionInsideItself(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	s, err := db.NewSession()
	must(t, err)
	put := func(tx *Tx, key string) error { return tx.Put(table, []byte(key), nil) }
	get := func(key string) error {
		return db.View(t.Context(), func(tx *Tx) error {
			_, err := tx.Get(table, []byte(key))
			return err
		})
	}
	for name, inner := range map[string]func(func(*Tx) error) (Timestamp, error){"Update": s.Update, "View": s.View} {
		_, err = s.Update(func(tx *Tx) error {
			must(t, put(tx, name+" before"))
			if _, err := inner(func(*Tx) error { t.Errorf("%s ran", name); return nil }); !errors.Is(err, ErrSessionBusy) {
				t.Errorf("%s inside: %v", name, err)
			}
			return put(tx, name+" behind")
		})
		if err != nil || get(name+" before") != nil || get(name+" behind") != nil {
			t.Errorf("the transaction around %s: %v", name, err)
		}
		_, err = s.View(func(tx *Tx) error {
			if _, err := inner(func(*Tx) error { return nil }); !errors.Is(err, ErrSessionBusy) {
				t.Errorf("%s inside View: %v", name, err)
			}
			_, err := tx.Get(table, []byte(name+" before"))
			return err
		})
		if err != nil {
			t.Errorf("the view around %s: %v", name, err)
		}
	}
	// A panic does not leave the session busy.
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Update(func(*Tx) error { panic("of the test") })
	}()
	_, err = s.Update(func(tx *Tx) error { return put(tx, "after a panic") })
	must(t, err)
}

// What a transaction can reach is not freed while it runs, though its function has
// closed the session.
func TestSessionClosedInsideItself(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Hashed)
	s, err := db.NewSession()
	must(t, err)
	value := make([]byte, 16<<10) // in a block of its own, which is freed when it is replaced
	_, err = s.Update(func(tx *Tx) error {
		s.Close()
		if _, err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("a view in a closed session: %v", err)
		}
		before := db.arena.LiveBytes()
		const replaced = 1000
		for range replaced {
			must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("other"), value) }))
		}
		if got := db.arena.LiveBytes() - before; got < replaced*int64(len(value)) {
			t.Errorf("of %d values that the transaction could read %d bytes are left", replaced, got)
		}
		return tx.Put(table, []byte("own"), nil)
	})
	must(t, err)
	must(t, db.View(t.Context(), func(tx *Tx) error {
		_, err := tx.Get(table, []byte("own"))
		return err
	}))
	s.Close()
	if _, err := s.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("an update in a closed session: %v", err)
	}
	eventually(t, func() error { // the session's pin is gone
		if live := db.arena.LiveBytes(); live > 1<<20 {
			return fmt.Errorf("%d bytes are left behind the end", live)
		}
		return nil
	})
}

// A scan goes on behind a key with that key and a zero byte as its bound, behind
// a longest key too.
func TestBoundsLongerThanKeys(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	longest := make([]byte, 4096)
	behind := []byte{1}
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.Put(table, longest, nil), tx.Put(table, behind, nil))
	}))
	bound := append(slices.Clone(longest), 0)
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		var keys [][]byte
		for k := range tx.Scan(table, Range{From: bound}) {
			keys = append(keys, slices.Clone(k))
		}
		for k := range tx.Scan(table, Range{To: bound, Reverse: true}) {
			keys = append(keys, slices.Clone(k))
		}
		if len(keys) != 2 || string(keys[0]) != string(behind) || string(keys[1]) != string(longest) {
			t.Errorf("the scans show %d keys", len(keys))
		}
		if n, err := tx.DeleteRange(table, bound, nil); err != nil || n != 1 {
			t.Errorf("%d keys deleted, %v", n, err)
		}
		return nil
	}))
}

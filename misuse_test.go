package godwit

import (
	"errors"
	"slices"
	"testing"
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

package keyspace_test

import (
	"context"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/keyspace"
)

// Keys that expire are counted as they come, change and go.
func TestSizeCountsExpiries(t *testing.T) {
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	space, err := keyspace.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := space.Reserve(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	at := func(now int64, fn func(*keyspace.Tx) error) {
		t.Helper()
		err := db.Update(context.Background(), func(in *godwit.Tx) error {
			tx := keyspace.Tx{Space: space}
			tx.Begin(in, now)
			return fn(&tx)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(key string, expiry int64) func(*keyspace.Tx) error {
		return func(tx *keyspace.Tx) error {
			k, err := tx.Lookup([]byte(key))
			if err != nil {
				return err
			}
			if err := k.SetString([]byte("v")); err != nil {
				return err
			}
			k.SetExpiry(expiry)
			return k.Save()
		}
	}
	remove := func(key string) func(*keyspace.Tx) error {
		return func(tx *keyspace.Tx) error {
			k, err := tx.Lookup([]byte(key))
			if err != nil {
				return err
			}
			return k.Remove()
		}
	}
	for i, step := range []struct {
		now  int64
		do   func(*keyspace.Tx) error
		want keyspace.Size
	}{
		{1, set("a", 0), keyspace.Size{Keys: 1}},
		{1, set("b", 100), keyspace.Size{Keys: 2, Expires: 1}},
		{1, set("a", 100), keyspace.Size{Keys: 2, Expires: 2}},
		{1, set("a", 150), keyspace.Size{Keys: 2, Expires: 2}},
		{1, set("a", 0), keyspace.Size{Keys: 2, Expires: 1}},
		{200, set("b", 0), keyspace.Size{Keys: 2}},
		{1, set("b", 100), keyspace.Size{Keys: 2, Expires: 1}},
		{1, remove("b"), keyspace.Size{Keys: 1}},
		{1, set("c", 100), keyspace.Size{Keys: 2, Expires: 1}},
		{200, func(tx *keyspace.Tx) error { _, err := tx.ExpireSome(10); return err }, keyspace.Size{Keys: 1}},
		{1, func(tx *keyspace.Tx) error { return tx.Flush(0) }, keyspace.Size{}},
	} {
		at(step.now, step.do)
		at(step.now, func(tx *keyspace.Tx) error {
			if got, err := tx.Size(0); err != nil || got != step.want {
				t.Errorf("step %d: %+v, %v, want %+v", i, got, err, step.want)
			}
			return nil
		})
	}
}

package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/godwitdb/godwit"
)

func newSpace(t *testing.T) (*godwit.DB, *Space) {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	space, err := Open(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := space.Reserve(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	return db, space
}

// A transaction that reads the same record again and again holds it each time, and ends before that is too much.
func TestHeldIsBounded(t *testing.T) {
	db, space := newSpace(t)
	space.heldBytesMax = 1 << 20
	do := func(fn func(tx *Tx) error) error {
		return db.Update(context.Background(), func(in *godwit.Tx) error {
			tx := Tx{Space: space}
			tx.Begin(in, 1)
			return errors.Join(fn(&tx), tx.End())
		})
	}
	put := func(tx *Tx) error {
		d, _, err := tx.Dict([]byte("hash"), HashType)
		if err != nil {
			return err
		}
		if _, err := d.Put([]byte("field"), bytes.Repeat([]byte("x"), 100_000)); err != nil {
			return err
		}
		return d.Save(HashType)
	}
	if err := do(put); err != nil {
		t.Fatal(err)
	}
	reads := 0
	err := do(func(tx *Tx) error {
		for {
			d, _, err := tx.Dict([]byte("hash"), HashType)
			if err != nil {
				return err
			}
			if _, _, err := d.Get([]byte("field")); err != nil {
				return err
			}
			reads++
		}
	})
	if !errors.Is(err, ErrTooMuch) || reads != 10 {
		t.Errorf("%d reads, then %v", reads, err)
	}
	writes := 0
	err = do(func(tx *Tx) error {
		for {
			if err := put(tx); err != nil {
				return err
			}
			writes++
		}
	})
	if !errors.Is(err, ErrTooMuch) || writes == 0 || writes > 10 {
		t.Errorf("%d writes, then %v", writes, err)
	}
}

// Large things that have expired or were flushed are removed a few at a time.
func TestRemovalIsBounded(t *testing.T) {
	const keys, size = 5, 8 << 20
	db, space := newSpace(t)
	do := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := db.Update(context.Background(), func(in *godwit.Tx) error {
			tx := Tx{Space: space}
			tx.Begin(in, 1)
			return errors.Join(fn(&tx), tx.End())
		}); err != nil {
			t.Fatal(err)
		}
	}
	fill := func(expiry int64) {
		for i := range keys {
			do(func(tx *Tx) error {
				d, k, err := tx.Dict(fmt.Appendf(nil, "set %d", i), SetType)
				if err != nil {
					return err
				}
				for n := range 2 {
					if _, err := d.Put(append(bytes.Repeat([]byte("x"), size), byte(n)), nil); err != nil {
						return err
					}
				}
				k.SetExpiry(expiry)
				return d.Save(SetType)
			})
		}
	}
	check := func(held int) {
		t.Helper()
		if held > 4*collectHeldBytes {
			t.Errorf("a transaction holds %d bytes", held)
		}
	}
	fill(2)
	for n := 1; n > 0; {
		do(func(tx *Tx) (err error) {
			tx.Now = 3
			n, err = tx.ExpireSome(256)
			check(tx.Held())
			return err
		})
	}
	fill(0)
	do(func(tx *Tx) error { return tx.Flush(0) })
	for more := true; more; {
		var err error
		if more, err = space.Collect(context.Background(), db); err != nil {
			t.Fatal(err)
		}
	}
	left := 0
	do(func(tx *Tx) error {
		for range tx.in.Scan(space.keys, godwit.Range{}) {
			left++
		}
		for range tx.in.Scan(space.meta, godwit.Range{From: []byte{metaGarbage}, To: []byte{metaGarbage + 1}}) {
			left++
		}
		return nil
	})
	if left > 0 {
		t.Errorf("%d records are left", left)
	}
}

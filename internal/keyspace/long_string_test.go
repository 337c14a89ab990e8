package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/godwitdb/godwit"
)

// attempts runs functions as transactions, each at most once.
func attempts(t *testing.T, db *godwit.DB, space *Space) func(fn func(tx *Tx) error) {
	return func(fn func(tx *Tx) error) {
		t.Helper()
		if err := db.Update(context.Background(), func(in *godwit.Tx) error {
			tx := Tx{Space: space}
			tx.Begin(in, 1)
			return errors.Join(fn(&tx), tx.End())
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// What is done to a part of a string, or only to its key, reads and writes some chunks, however long the string is.
func TestLongStringCosts(t *testing.T) {
	db, space := newSpace(t)
	do := attempts(t, db, space)
	const length = 32 << 20
	name := []byte("long")
	on := func(what string, most int, fn func(k *Key) error) {
		t.Helper()
		do(func(tx *Tx) error {
			k, err := tx.Lookup(name)
			if err != nil {
				return err
			}
			if err := fn(&k); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if tx.Held() > most {
				t.Errorf("%s holds %d bytes, want at most %d", what, tx.Held(), most)
			}
			return nil
		})
	}
	on("a new string", 2*length, func(k *Key) error {
		return errors.Join(k.SetString(bytes.Repeat([]byte("x"), length)), k.Save())
	})
	on("its length", 1<<10, func(k *Key) error {
		n, err := k.Len()
		if n != length {
			t.Errorf("the string has %d bytes", n)
		}
		return err
	})
	on("an appended piece", 2*chunkBytes, func(k *Key) error {
		n, err := k.SetRange(length, []byte("0123456789"))
		if n != length+10 {
			t.Errorf("the string has %d bytes", n)
		}
		return errors.Join(err, k.Save())
	})
	on("a piece in the middle", 5*chunkBytes, func(k *Key) error {
		_, err := k.SetRange(length/2-5, []byte("0123456789"))
		return errors.Join(err, k.Save())
	})
	on("a piece that is read", 3*chunkBytes, func(k *Key) error {
		var piece []byte
		for part := range k.Parts(length/2-6, length/2+6) {
			piece = append(piece, part...)
		}
		if string(piece) != "x0123456789x" {
			t.Errorf("the piece is %q", piece)
		}
		return nil
	})
	on("an expiry", 1<<10, func(k *Key) error {
		k.SetExpiry(1000)
		return k.Save()
	})
	on("another name", 1<<10, func(k *Key) error {
		to, err := k.tx.Lookup([]byte("other"))
		if err != nil {
			return err
		}
		name = []byte("other")
		return k.Rename(&to)
	})
	on("its end", 1<<10, func(k *Key) error { return k.Remove() })
}

// A string that a version without chunks has written is in chunks when it was changed.
func TestLongStringOfBefore(t *testing.T) {
	db, space := newSpace(t)
	do := attempts(t, db, space)
	value := bytes.Repeat([]byte("x"), 10*wholeBytesMax)
	space.wholeBytesMax = ValueBytesMax
	do(func(tx *Tx) error {
		k, err := tx.Lookup([]byte("key"))
		return errors.Join(err, k.SetString(value), k.Save())
	})
	space.wholeBytesMax = wholeBytesMax
	for _, written := range []bool{false, true} {
		do(func(tx *Tx) error {
			k, err := tx.Find([]byte("key"), StringType)
			if err != nil {
				return err
			}
			if chunks, err := k.Chunks(); err != nil || (chunks > 0) != written {
				t.Errorf("it has %d chunks: %v", chunks, err)
			}
			if got, err := k.Value(); err != nil || !bytes.Equal(got, value) {
				t.Errorf("it has %d bytes: %v", len(got), err)
			}
			k.SetExpiry(1000)
			return k.Save()
		})
	}
}

// A string whose chunks are not what its record says is corrupt.
func TestLongStringCorrupt(t *testing.T) {
	db, space := newSpace(t)
	do := attempts(t, db, space)
	name := []byte("key")
	do(func(tx *Tx) error {
		k, err := tx.Lookup(name)
		return errors.Join(err, k.SetString(make([]byte, 2*wholeBytesMax)), k.Save())
	})
	chunk := func(tx *Tx, k *Key) []byte { return appendNumberName(nil, objectID(k.body), tagChunk, 1) }
	for what, damage := range map[string]func(tx *Tx, k *Key) error{
		"a chunk is missing": func(tx *Tx, k *Key) error { return tx.in.Delete(space.elements, chunk(tx, k)) },
		"a chunk is short":   func(tx *Tx, k *Key) error { return tx.in.Put(space.elements, chunk(tx, k), []byte("short")) },
		"the body is short":  func(_ *Tx, k *Key) error { k.body = k.body[:15]; return k.Save() },
		"it is too long": func(_ *Tx, k *Key) error {
			k.body = (&longString{id: objectID(k.body), length: ValueBytesMax + 1}).appendTo(nil)
			return k.Save()
		},
	} {
		err := db.Update(context.Background(), func(in *godwit.Tx) error {
			tx := Tx{Space: space}
			tx.Begin(in, 1)
			k, err := tx.Lookup(name)
			if err := errors.Join(err, damage(&tx, &k)); err != nil {
				return err
			}
			if k, err = tx.Lookup(name); err != nil {
				return err
			}
			_, err = k.Value()
			return err
		})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

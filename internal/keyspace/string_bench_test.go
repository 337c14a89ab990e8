package keyspace

import (
	"context"
	"fmt"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// BenchmarkString writes, reads and extends strings of several lengths.
func BenchmarkString(b *testing.B) {
	set := func(k *Key, value []byte) error {
		if err := k.SetString(value); err != nil {
			return err
		}
		return k.Save()
	}
	get := func(k *Key, value []byte) error {
		var out resp.Writer
		out.BulkParts(len(value), k.Parts(0, len(value)))
		return k.tx.Err()
	}
	setRange := func(k *Key, value []byte) error {
		if _, err := k.SetRange(len(value)/2, value[:10]); err != nil {
			return err
		}
		return k.Save()
	}
	for _, length := range []int{100, wholeBytesMax, 4 * wholeBytesMax, 1 << 20} {
		value := make([]byte, length)
		for _, op := range []struct {
			name string
			do   func(k *Key, value []byte) error
		}{{"set", set}, {"get", get}, {"setrange", setRange}} {
			b.Run(fmt.Sprintf("%s/%d", op.name, length), func(b *testing.B) {
				do := stringTransactions(b)
				do(func(k *Key) error { return set(k, value) })
				b.SetBytes(int64(length))
				for b.Loop() {
					do(func(k *Key) error { return op.do(k, value) })
				}
			})
		}
	}
}

// stringTransactions returns what runs transactions that do something to one key.
func stringTransactions(b *testing.B) func(fn func(k *Key) error) {
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	space, err := Open(context.Background(), db)
	if err != nil {
		b.Fatal(err)
	}
	if err := space.Reserve(context.Background(), db); err != nil {
		b.Fatal(err)
	}
	tx := Tx{Space: space}
	return func(fn func(k *Key) error) {
		if err := db.Update(context.Background(), func(in *godwit.Tx) error {
			tx.Begin(in, 1)
			k, err := tx.Lookup([]byte("key"))
			if err != nil {
				return err
			}
			if err := fn(&k); err != nil {
				return err
			}
			return tx.End()
		}); err != nil {
			b.Fatal(err)
		}
	}
}

package occ

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkYCSB is the four-key transaction of YCSB++, half read-only, half
// read-modify-write, over a million keys.
func BenchmarkYCSB(b *testing.B) {
	const keys = 1 << 20
	for _, v := range []struct {
		name    string
		ordered bool
		ahead   int // how many transactions ahead keys are fetched
	}{{"ordered", true, 0}, {"hashed", false, 0}, {"hashed/ahead", false, 2}} {
		b.Run(v.name, func(b *testing.B) {
			e := newEngine(b, 1<<30, 1)
			table := newTable(b, e, 1, v.ordered)
			value := make([]byte, 100)
			key := func(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15) }
			for i := range uint64(keys) {
				update(b, e, func(tx *Tx) error { return tx.Put(table, key(i), value) })
			}
			rng := rand.New(rand.NewPCG(1, 2))
			bound, err := e.NewBound(0)
			if err != nil {
				b.Fatal(err)
			}
			defer bound.Drop()
			vs := make([][]byte, 4)
			drawn := make([][][]byte, v.ahead+1) // of the transactions to come, in a ring
			draw := func(n int) [][]byte {
				ks := drawn[n%len(drawn)]
				for i := range ks {
					binary.BigEndian.PutUint64(ks[i], rng.Uint64N(keys)*0x9e3779b97f4a7c15)
				}
				return ks
			}
			for n := range drawn {
				drawn[n] = [][]byte{make([]byte, 8), make([]byte, 8), make([]byte, 8), make([]byte, 8)}
				draw(n)
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				tx, _ := bound.Begin()
				next := draw(n + v.ahead)
				if v.ahead > 0 {
					tx.Prefetch(table, next)
				}
				ks := drawn[n%len(drawn)]
				if err := tx.GetMany(table, ks, vs); err != nil {
					b.Fatal(err)
				}
				if n%2 == 0 {
					for i := range ks {
						vs[i][3]++
						if err := tx.Put(table, ks[i], vs[i]); err != nil {
							b.Fatal(err)
						}
					}
				}
				if _, err := tx.Commit(); err != nil {
					b.Fatal(err)
				}
				tx.Finish()
			}
		})
	}
}

// BenchmarkScanAfterWrites is one write of a transaction and the scan of one key behind
// it, in transactions of so many writes.
func BenchmarkScanAfterWrites(b *testing.B) {
	for _, writes := range []int{4, 64, 4096, 1 << 18} {
		b.Run(strconv.Itoa(writes), func(b *testing.B) {
			e := newEngine(b, 1<<30, 1)
			table := newTable(b, e, 1, true)
			bound, err := e.NewBound(0)
			if err != nil {
				b.Fatal(err)
			}
			defer bound.Drop()
			key := make([]byte, 8)
			show := func(_, _ []byte) bool { return false }
			var tx *Tx
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%writes == 0 {
					if tx != nil {
						tx.Finish()
					}
					tx, _ = bound.Begin()
				}
				binary.BigEndian.PutUint64(key, uint64(n)*0x9e3779b97f4a7c15)
				if err := tx.Put(table, key, nil); err != nil {
					b.Fatal(err)
				}
				if err := tx.Scan(table, Range{From: key}, show); err != nil {
					b.Fatal(err)
				}
			}
			tx.Finish()
		})
	}
}

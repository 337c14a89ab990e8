package keyspace

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkSortedSetPut gives members new scores, in transactions of one and of many, which write each node once.
func BenchmarkSortedSetPut(b *testing.B) {
	for _, batch := range []int{1, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			o := newOracle(b, 1)
			rng := rand.New(rand.NewPCG(1, 2))
			for done := 0; done < b.N; done += batch {
				o.update(func(tx *Tx) error {
					z, _, err := tx.SortedSet([]byte("z"))
					if err != nil {
						return err
					}
					for range batch {
						member := binary.BigEndian.AppendUint64(nil, rng.Uint64N(100_000))
						if _, err := z.Put(member, rng.Float64()); err != nil {
							return err
						}
					}
					return z.Save()
				})
			}
		})
	}
}

// BenchmarkSortedSetCommands is BenchmarkSortedSetPut by commands of one member each, as many in a transaction.
func BenchmarkSortedSetCommands(b *testing.B) {
	for _, batch := range []int{16, 256} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			o := newOracle(b, 1)
			rng := rand.New(rand.NewPCG(1, 2))
			for done := 0; done < b.N; done += batch {
				o.update(func(tx *Tx) error {
					for range batch {
						z, _, err := tx.SortedSet([]byte("z"))
						if err != nil {
							return err
						}
						member := binary.BigEndian.AppendUint64(nil, rng.Uint64N(100_000))
						if _, err := z.Put(member, rng.Float64()); err != nil {
							return err
						}
						if err := z.Save(); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
}

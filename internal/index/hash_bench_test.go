package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
)

const (
	hashBenchRecords = 1_000_000
	hashBenchCached  = 1000 // what fits into the processor's cache
)

// hashBenchKeys returns random keys of eight bytes.
func hashBenchKeys(n int) [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := make([]byte, 0, 8*n)
	keys := make([][]byte, n)
	for i := range keys {
		all = binary.BigEndian.AppendUint64(all, rnd.Uint64())
		keys[i] = all[8*i : 8*i+8 : 8*i+8]
	}
	return keys
}

// newHashBench returns an index of records of 100-byte values, and the keys in
// another order than that of the inserts, but side by side in memory.
func newHashBench(b testing.TB, count, keyBytes int) (*hashRig, [][]byte) {
	r := newHashRig(b, 1<<30)
	short := hashBenchKeys(count)
	all := make([]byte, keyBytes*len(short))
	keys := make([][]byte, len(short))
	for i, at := range rand.New(rand.NewPCG(3, 4)).Perm(len(keys)) {
		keys[at] = all[keyBytes*at : keyBytes*(at+1) : keyBytes*(at+1)]
		copy(keys[at][keyBytes-8:], short[i])
		rec, err := r.tryRecord(keys[at], 100)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.hash.Insert(r.mem, rec, nil); err != nil {
			b.Fatal(err)
		}
	}
	return r, keys
}

func BenchmarkHashGet(b *testing.B) {
	for _, count := range []int{hashBenchCached, hashBenchRecords} {
		for _, keyBytes := range []int{8, 20} {
			b.Run(fmt.Sprintf("records=%d/key=%d", count, keyBytes), func(b *testing.B) {
				r, keys := newHashBench(b, count, keyBytes)
				at := 0
				for b.Loop() {
					if r.hash.Get(keys[at]).Rec == 0 {
						b.Fatal("a key is lost")
					}
					if at++; at == len(keys) {
						at = 0
					}
				}
			})
		}
	}
}

func BenchmarkHashGetMany(b *testing.B) {
	const group = 4
	for _, count := range []int{hashBenchCached, hashBenchRecords} {
		for _, keyBytes := range []int{8, 20} {
			b.Run(fmt.Sprintf("records=%d/key=%d", count, keyBytes), func(b *testing.B) {
				r, keys := newHashBench(b, count, keyBytes)
				out := make([]Found, group)
				at := 0
				for b.Loop() {
					r.hash.GetMany(keys[at:at+group], out)
					if out[0].Rec == 0 {
						b.Fatal("a key is lost")
					}
					if at += group; at+group > len(keys) {
						at = 0
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*group), "ns/key")
			})
		}
	}
}

func BenchmarkHashInsert(b *testing.B) {
	keys := hashBenchKeys(hashBenchRecords)
	r := newHashRig(b, 1<<30)
	recs := make([]arena.Ref, len(keys))
	for i, key := range keys {
		rec, err := r.tryRecord(key, 100)
		if err != nil {
			b.Fatal(err)
		}
		recs[i] = rec
	}
	var changes []Change
	at := 0
	for b.Loop() {
		if at == len(recs) {
			b.StopTimer()
			r.hash.Free(r.mem, func(arena.Ref) {})
			r.collect()
			var err error
			if r.hash, err = NewHash(r.arena, r.mem, 0); err != nil {
				b.Fatal(err)
			}
			at = 0
			b.StartTimer()
		}
		_, out, err := r.hash.Insert(r.mem, recs[at], changes[:0])
		if err != nil {
			b.Fatal(err)
		}
		changes = out
		at++
	}
}

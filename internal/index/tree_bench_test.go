package index

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/record"
)

const benchKeys = 1_000_000

// mix scatters the bits of x, one to one.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// benchKey writes the ith key of keyBytes bytes over buf.
func benchKey(buf []byte, i uint64, keyBytes int) []byte {
	buf = binary.BigEndian.AppendUint64(buf[:0], mix(i+1))
	for len(buf) < keyBytes {
		buf = binary.BigEndian.AppendUint64(buf, mix(i+uint64(len(buf))))
	}
	return buf
}

// benchWorld makes a tree of n keys, whose records have room for 104 bytes.
func benchWorld(b *testing.B, n, keyBytes int) *treeWorld {
	a, err := arena.New(2 << 30)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { a.Close() })
	w := newTreeIn(b, a)
	buf := make([]byte, 0, 64)
	for i := range n {
		w.benchInsert(benchKey(buf, uint64(i), keyBytes))
	}
	return w
}

func (w *treeWorld) benchInsert(key []byte) {
	m := record.MakeMeta(len(key), 104, 100, false)
	r, err := w.mem.Cache.Alloc(m.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.arena.Ptr(r)
	*(*uint64)(p) = 8
	*(*uint64)(unsafe.Add(p, record.MetaOffset)) = uint64(m)
	copy(unsafe.Slice((*byte)(unsafe.Add(p, record.KeyOffset)), len(key)), key)
	var changes [4]Change
	if _, _, err := w.tree.Insert(w.mem, r, changes[:0]); err != nil {
		w.t.Fatal(err)
	}
}

func (w *treeWorld) touch(r arena.Ref) uint64 { return atomic.LoadUint64((*uint64)(w.arena.Ptr(r))) }

func BenchmarkTreeGet(b *testing.B) {
	for _, keyBytes := range []int{8, 24} {
		w := benchWorld(b, benchKeys, keyBytes)
		b.Run(fmt.Sprintf("key=%d", keyBytes), func(b *testing.B) {
			buf := make([]byte, 0, 64)
			for i := range uint64(b.N) {
				f := w.tree.Get(benchKey(buf, mix(i)%benchKeys, keyBytes))
				if f.Rec == 0 {
					b.Fatal("missing")
				}
			}
		})
	}
}

// BenchmarkTreeGetMany reads the first word of each record, too.
func BenchmarkTreeGetMany(b *testing.B) {
	for _, keyBytes := range []int{8, 24} {
		w := benchWorld(b, benchKeys, keyBytes)
		for _, n := range []int{1, 4, 8, 16, 64} {
			b.Run(fmt.Sprintf("key=%d/n=%d", keyBytes, n), func(b *testing.B) {
				keys := make([][]byte, n)
				for i := range keys {
					keys[i] = make([]byte, 0, 64)
				}
				out := make([]Found, n)
				x := uint64(0)
				var sum uint64
				for b.Loop() {
					for i := range keys {
						keys[i] = benchKey(keys[i], mix(x)%benchKeys, keyBytes)
						x++
					}
					w.tree.GetMany(keys, out)
					for _, f := range out {
						sum += w.touch(f.Rec)
					}
				}
				if sum == 0 {
					b.Fatal("records without words")
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
			})
		}
	}
}

func BenchmarkTreeInsert(b *testing.B) {
	b.Run("random/key=8", func(b *testing.B) { benchInserts(b, func(buf []byte, i uint64) []byte { return benchKey(buf, i, 8) }) })
	b.Run("random/key=24", func(b *testing.B) { benchInserts(b, func(buf []byte, i uint64) []byte { return benchKey(buf, i, 24) }) })
	b.Run("sequential/key=8", func(b *testing.B) {
		benchInserts(b, func(buf []byte, i uint64) []byte { return binary.BigEndian.AppendUint64(buf[:0], i) })
	})
	b.Run("sequential/key=48", func(b *testing.B) {
		benchInserts(b, func(buf []byte, i uint64) []byte {
			buf = append(buf[:0], "application/production/table-of-events/"...)
			return fmt.Appendf(buf, "%09d", i)
		})
	})
	b.Run("streams/key=48", func(b *testing.B) {
		// 100 ascending streams side by side.
		benchInserts(b, func(buf []byte, i uint64) []byte {
			buf = append(buf[:0], "application/production/table-of-events/"...)
			return fmt.Appendf(buf, "%03d/%09d", i%100, i)
		})
	})
}

func benchInserts(b *testing.B, key func(buf []byte, i uint64) []byte) {
	var s Stats
	var n, perOp int
	for b.Loop() {
		b.StopTimer()
		w := benchWorld(b, 0, 8)
		b.StartTimer()
		buf := make([]byte, 0, 64)
		for i := range uint64(benchKeys) {
			w.benchInsert(key(buf, i))
		}
		s = w.tree.Stats()
		n += benchKeys
		perOp = int(s.Bytes / benchKeys)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/key")
	b.ReportMetric(float64(perOp), "B/key")
	b.ReportMetric(float64(benchKeys)/float64(s.Leaves), "keys/leaf")
}

func BenchmarkTreeScan(b *testing.B) {
	for _, keyBytes := range []int{8, 24} {
		w := benchWorld(b, benchKeys, keyBytes)
		for _, descending := range []bool{false, true} {
			b.Run(fmt.Sprintf("key=%d/descending=%v", keyBytes, descending), func(b *testing.B) {
				var p Page
				n := 0
				for b.Loop() {
					if descending {
						w.tree.Descend(&p, nil, nil)
					} else {
						w.tree.Ascend(&p, nil, nil)
					}
					for more := true; more; more = w.tree.Next(&p) {
						n += len(p.Recs)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
			})
		}
	}
}

// BenchmarkTreeGetLongPrefixes looks up keys of which many begin alike: all of them,
// or in groups. Nodes that hold separators of several groups have no prefix that tells
// apart the keys within one.
func BenchmarkTreeGetLongPrefixes(b *testing.B) {
	const n = 200_000
	for _, prefixBytes := range []int{0, 40, 400} {
		for _, groups := range []uint64{1, 2, 50} {
			if prefixBytes == 0 && groups > 1 {
				continue
			}
			b.Run(fmt.Sprintf("prefix=%d/groups=%d", prefixBytes, groups), func(b *testing.B) {
				a, err := arena.New(2 << 30)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { a.Close() })
				w := newTreeIn(b, a)
				key := func(buf []byte, i uint64) []byte {
					buf = buf[:prefixBytes]
					if prefixBytes > 0 {
						buf[0] = byte(i % groups)
					}
					return binary.BigEndian.AppendUint64(buf, mix(i+1))
				}
				buf := make([]byte, prefixBytes, prefixBytes+8)
				for i := range uint64(n) {
					w.benchInsert(key(buf, i))
				}
				b.ResetTimer()
				for i := range uint64(b.N) {
					if f := w.tree.Get(key(buf, mix(i)%n)); f.Rec == 0 {
						b.Fatal("missing")
					}
				}
			})
		}
	}
}

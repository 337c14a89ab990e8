package checkpoint

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// The records of the recovery bar: 8 byte keys, 100 byte values.
const (
	benchKeyBytes   = 8
	benchValueBytes = 100
	benchEntries    = 1 << 20
)

func benchStream(b *testing.B, out io.Writer) Summary {
	b.Helper()
	w, err := NewWriter(out, testHeader, testTables, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := w.BeginTable(7); err != nil {
		b.Fatal(err)
	}
	var key [benchKeyBytes]byte
	value := bytes.Repeat([]byte("v"), benchValueBytes)
	for i := range uint64(benchEntries) {
		binary.BigEndian.PutUint64(key[:], i)
		if err := w.Add(key[:], value); err != nil {
			b.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

func BenchmarkWriteStream(b *testing.B) {
	var sum Summary
	for b.Loop() {
		sum = benchStream(b, io.Discard)
	}
	b.SetBytes(sum.Bytes)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchEntries), "ns/entry")
}

func BenchmarkReadStream(b *testing.B) {
	var buf bytes.Buffer
	sum := benchStream(b, &buf)
	b.SetBytes(sum.Bytes)
	total := 0
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(buf.Bytes()), "bench")
		if err != nil {
			b.Fatal(err)
		}
		for r.Next() {
			for e := r.Entries(); e.Next(); {
				total += len(e.Key()) + len(e.Value())
			}
		}
		if r.Err() != nil {
			b.Fatal(r.Err())
		}
	}
	if want := b.N * benchEntries * (benchKeyBytes + benchValueBytes); total != want {
		b.Fatalf("read %d bytes, want %d", total, want)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchEntries), "ns/entry")
}

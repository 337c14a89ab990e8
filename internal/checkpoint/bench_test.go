package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/env"
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

// benchFiles publishes a checkpoint of two parts, which two goroutines write.
func benchFiles(b *testing.B, dir string) Manifest {
	b.Helper()
	c, err := Begin(env.OS(), dir, testOptions(1))
	if err != nil {
		b.Fatal(err)
	}
	const parts = 2
	done := make(chan error, parts)
	for i := range uint64(parts) {
		go func() { done <- benchPart(c, i*benchEntries) }()
	}
	for range parts {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	m, err := c.Publish(testCreated)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func benchPart(c *Builder, first uint64) error {
	p, err := c.NewPart()
	if err != nil {
		return err
	}
	if err := p.BeginTable(7); err != nil {
		return err
	}
	var key [benchKeyBytes]byte
	value := bytes.Repeat([]byte("v"), benchValueBytes)
	for i := first; i < first+benchEntries; i++ {
		binary.BigEndian.PutUint64(key[:], i)
		if err := p.Add(key[:], value); err != nil {
			return err
		}
	}
	return p.Close()
}

// BenchmarkWriteFiles includes the syncs.
func BenchmarkWriteFiles(b *testing.B) {
	dir := b.TempDir()
	var m Manifest
	for b.Loop() {
		m = benchFiles(b, dir)
	}
	b.SetBytes(m.Total().Bytes)
}

// BenchmarkLoadFiles reads files that the operating system has in memory.
func BenchmarkLoadFiles(b *testing.B) {
	dir := b.TempDir()
	m := benchFiles(b, dir)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(m.Total().Bytes)
			var bytesSeen atomic.Int64
			for b.Loop() {
				err := Load(env.OS(), dir, &m, workers, func(_ int, _ TableID, e *Entries) error {
					n := 0
					for e.Next() {
						n += len(e.Key()) + len(e.Value())
					}
					bytesSeen.Add(int64(n))
					return e.Err()
				}, nil)
				if err != nil {
					b.Fatal(err)
				}
			}
			if want := int64(b.N) * 2 * benchEntries * (benchKeyBytes + benchValueBytes); bytesSeen.Load() != want {
				b.Fatalf("loaded %d bytes, want %d", bytesSeen.Load(), want)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*benchEntries), "ns/entry")
		})
	}
}

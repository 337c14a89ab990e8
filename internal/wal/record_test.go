package wal

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// batchOf encodes transactions into a batch.
func batchOf(txs ...tx) Batch {
	var s Stream
	for _, x := range txs {
		n := txBytes(x.writes)
		b := s.Reserve(n)
		at := PutTxHeader(b, x.ts, len(x.writes), n)
		for _, w := range x.writes {
			at += PutWrite(b[at:], w.Table, w.Kind, w.Key, w.Value)
		}
		if at != n {
			panic("the sizes do not add up")
		}
		s.Appended(x.ts)
	}
	return s.Pending()
}

func TestRecordsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var want []tx
	for i := range 200 {
		x := tx{ts: hlc.Timestamp(3*i + 1)}
		if i%10 > 0 { // some have no writes
			x.writes = randomWrites(rng, 5000)
		}
		want = append(want, x)
	}
	want[7].writes = []Write{
		{Table: 1<<32 - 1, Kind: KindPut, Key: make([]byte, KeyBytesMax), Value: randomBytes(rng, 1<<20)},
		{Kind: KindDelete},
	}
	b := batchOf(want...)
	if b.Records != 200 || b.First != 1 || b.Last != 598 {
		t.Fatalf("batch %d records from %d to %d", b.Records, b.First, b.Last)
	}
	if above, err := b.validate(); err != nil || above != 0 {
		t.Fatalf("%d above, %v", above, err)
	}
	read := func(from, to hlc.Timestamp) (got []tx) {
		b.from, b.to = from, to
		r := b.Read()
		for r.Next() {
			x := readTx(0, &r)
			if r.Writes() != len(x.writes) {
				t.Fatalf("%d writes announced, %d read", r.Writes(), len(x.writes))
			}
			got = append(got, x)
		}
		must(t, r.Err())
		return got
	}
	expect(t, read(0, hlc.Max), want)
	expect(t, read(want[10].ts, want[150].ts), want[11:151])
	if above, err := b.validate(); err != nil || above != 49 {
		t.Fatalf("%d above the bounds, %v", above, err)
	}
	// Writes may be left unread.
	n := 0
	for r := b.Read(); r.Next(); n++ {
	}
	if n != 140 {
		t.Fatalf("%d records without reading their writes", n)
	}
}

func TestMalformedRecords(t *testing.T) {
	good := func() []byte {
		b := batchOf(
			tx{ts: 5, writes: []Write{{Table: 1, Kind: KindPut, Key: []byte("key"), Value: []byte("value")}}},
			tx{ts: 9, writes: []Write{{Table: 1, Kind: KindDelete, Key: []byte("k")}, {Kind: KindPut}}},
		)
		return b.data
	}
	second := TxHeaderBytes + WriteBytes(3, 5)
	le := binary.LittleEndian
	for _, c := range []struct {
		name string
		hurt func(b []byte) []byte
		at   int
	}{
		{"cut in a header", func(b []byte) []byte { return b[:second+7] }, second},
		{"cut in a write", func(b []byte) []byte { return b[:len(b)-1] }, second},
		{"record of no bytes", func(b []byte) []byte { le.PutUint32(b, 0); return b }, 0},
		{"record smaller than a header", func(b []byte) []byte { le.PutUint32(b, TxHeaderBytes-1); return b }, 0},
		{"record larger than the batch", func(b []byte) []byte { le.PutUint32(b, uint32(len(b)+1)); return b }, 0},
		{"huge record", func(b []byte) []byte { le.PutUint32(b, 1<<32-1); return b }, 0},
		{"too many writes", func(b []byte) []byte { le.PutUint32(b[4:], 1<<31); return b }, 0},
		{"one write too few", func(b []byte) []byte { le.PutUint32(b[second+4:], 1); return b }, second},
		{"one write too many", func(b []byte) []byte { le.PutUint32(b[second+4:], 3); return b }, second},
		{"timestamp zero", func(b []byte) []byte { le.PutUint64(b[8:], 0); return b }, 0},
		{"timestamp beyond the last", func(b []byte) []byte { le.PutUint64(b[8:], uint64(hlc.Max)+1); return b }, 0},
		{"timestamps out of order", func(b []byte) []byte { le.PutUint64(b[second+8:], 5); return b }, second},
		{"unknown kind", func(b []byte) []byte { b[TxHeaderBytes+4] = 3; return b }, 0},
		{"deletion with a value", func(b []byte) []byte { b[TxHeaderBytes+4] = byte(KindDelete); return b }, 0},
		{"key too long", func(b []byte) []byte { le.PutUint16(b[TxHeaderBytes+5:], KeyBytesMax+1); return b }, 0},
		{"key beyond the record", func(b []byte) []byte { le.PutUint16(b[TxHeaderBytes+5:], 9); return b }, 0},
		{"value beyond the record", func(b []byte) []byte { le.PutUint32(b[TxHeaderBytes+7:], 6); return b }, 0},
		{"value of nearly 4 GiB", func(b []byte) []byte { le.PutUint32(b[TxHeaderBytes+7:], 1<<32-1); return b }, 0},
	} {
		b := Batch{data: c.hurt(good()), to: hlc.Max, Records: 2, First: 5, Last: 9}
		_, err := b.validate()
		var f *FormatError
		if !errors.As(err, &f) || f.Offset != c.at {
			t.Errorf("%s: %v, want an error at %d", c.name, err, c.at)
		}
	}
	for name, b := range map[string]Batch{
		"count": {Records: 3, First: 5, Last: 9}, "first": {Records: 2, First: 4, Last: 9}, "last": {Records: 2, First: 5, Last: 10},
	} {
		b.data, b.to = good(), hlc.Max
		if _, err := b.validate(); err == nil {
			t.Errorf("a batch with the wrong %s passes", name)
		}
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	s := NewStreams(1)[0]
	var clock hlc.Clock
	key, value := make([]byte, 8), make([]byte, 100)
	n := TxHeaderBytes + WriteBytes(len(key), len(value))
	s.buf = make([]byte, 0, 4000*n)
	if allocs := testing.AllocsPerRun(2000, func() {
		s.Lock()
		ts := clock.Next()
		b := s.Reserve(n)
		at := PutTxHeader(b, ts, 1, n)
		PutWrite(b[at:], 1, KindPut, key, value)
		s.Appended(ts)
		s.Unlock()
	}); allocs != 0 {
		t.Errorf("appending allocates %v times", allocs)
	}
	b := s.Pending()
	if allocs := testing.AllocsPerRun(10, func() {
		r := b.Read()
		var w Write
		for r.Next() {
			for r.NextWrite(&w) {
			}
		}
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
	}); allocs != 0 {
		t.Errorf("decoding allocates %v times", allocs)
	}
}

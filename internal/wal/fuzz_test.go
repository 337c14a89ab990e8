package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// FuzzBatch reads arbitrary bytes as records. What the reader shows lies in the
// batch, and encoding it gives the same bytes.
func FuzzBatch(f *testing.F) {
	f.Add([]byte{}, uint64(0), uint64(hlc.Max))
	b := batchOf(
		tx{ts: 5, writes: []Write{{Table: 1, Kind: KindPut, Key: []byte("key"), Value: []byte("value")}}},
		tx{ts: 9, writes: []Write{{Kind: KindDelete, Key: []byte("k")}, {Kind: KindPut}}},
		tx{ts: 11},
	)
	f.Add(b.data, uint64(5), uint64(9))
	f.Add(b.data[:len(b.data)-3], uint64(0), uint64(100))
	f.Fuzz(func(t *testing.T, data []byte, from, to uint64) {
		b := Batch{data: bytes.Clone(data), from: hlc.Timestamp(from), to: hlc.Timestamp(to)}
		r := b.Read()
		last := hlc.Timestamp(0)
		for r.Next() {
			x := readTx(0, &r)
			if x.ts <= last || x.ts <= b.from || x.ts > b.to {
				t.Fatalf("timestamp %d after %d, bounds %d, %d", x.ts, last, from, to)
			}
			last = x.ts
		}
		if err := r.Err(); err != nil {
			var bad *FormatError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(data) {
				t.Fatalf("error %v in %d bytes", err, len(data))
			}
		}
		// Without bounds, sound records are what their encoding is.
		all := Batch{data: bytes.Clone(data), to: hlc.Max}
		var txs []tx
		for r = all.Read(); r.Next(); {
			txs = append(txs, readTx(0, &r))
		}
		if r.Err() == nil {
			if again := batchOf(txs...); !bytes.Equal(again.data, data) {
				t.Fatalf("%x was read and written as %x", data, again.data)
			}
		}
	})
}

// FuzzSegmentHeader: what is accepted encodes to the same block.
func FuzzSegmentHeader(f *testing.F) {
	b := make([]byte, blockBytes)
	f.Add(b[:100], true)
	f.Add(b[:100], false)
	h := segmentHeader{id: testID, number: 7, nonce: 3, firstRound: 9, prev: 6, prevEnd: 8192, base: Base{8, 2, 5, 8}, size: 65536}
	h.put(b)
	f.Add(b[:120], true)
	h = segmentHeader{id: testID, number: 1, firstRound: 1, size: 65536, reset: true, base: Base{Number: 9, Epoch: 3}}
	h.put(b)
	f.Add(b[:120], true)
	binary.LittleEndian.PutUint32(b[8:], 1)
	f.Add(b[:120], true)
	// Only the beginning of the block varies; sealed gets past the checksum.
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			data = reseal(append(bytes.Clone(data), make([]byte, blockBytes)...)[:blockBytes])
		}
		h, err := decodeSegmentHeader("file", data)
		if err != nil {
			if !errors.Is(err, dberr.ErrCorrupt) && !isOtherFormat(err) {
				t.Fatal(err)
			}
			return
		}
		b := make([]byte, blockBytes)
		h.put(b)
		again, err := decodeSegmentHeader("file", b)
		if err != nil || again != h {
			t.Fatalf("%+v was read back as %+v, %v", h, again, err)
		}
	})
}

// FuzzRoundHeader: likewise for round and batch headers.
func FuzzRoundHeader(f *testing.F) {
	at := placeIn(testID, 3).at(8192)
	b := make([]byte, roundHeaderBytes+batchHeaderBytes)
	f.Add(b)
	h := roundHeader{bytes: 200, number: 9, nonce: 3, watermark: 70, synced: 8, epoch: 1, batches: 1, clean: true, tableCRC: 5, kind: RoundData, entry: 9, last: 72}
	h.put(b, at)
	bh := batchHeader{stream: 2, records: 1, bytes: 80, first: 71, last: 71, closed: 72, crc: 3}
	bh.put(b[roundHeaderBytes:])
	f.Add(b)
	h = roundHeader{bytes: 200, number: 9, nonce: 3, watermark: 70, synced: 8, epoch: 4, kind: RoundOpen, entry: 7, last: 80, repair: true}
	b = make([]byte, roundHeaderBytes)
	h.put(b, at)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, reason := decodeRoundHeader(data, at); reason == "" {
			b := make([]byte, roundHeaderBytes)
			h.put(b, at)
			if again, reason := decodeRoundHeader(b, at); reason != "" || again != h {
				t.Fatalf("%+v was read back as %+v, %s", h, again, reason)
			}
			if _, reason := decodeRoundHeader(data, at.at(4096)); reason == "" {
				t.Fatal("the round is accepted elsewhere")
			}
		}
		if len(data) > roundHeaderBytes {
			if h, reason := decodeBatchHeader(data[roundHeaderBytes:]); reason == "" {
				b := make([]byte, batchHeaderBytes)
				h.put(b)
				if again, reason := decodeBatchHeader(b); reason != "" || again != h {
					t.Fatalf("%+v was read back as %+v, %s", h, again, reason)
				}
			}
		}
	})
}

// FuzzSegment changes bytes of a segment's rounds, gives the headers their right
// checksums back if asked to, and recovers and checks the log. Neither may panic
// or report anything but damage.
func FuzzSegment(f *testing.F) {
	f.Add(uint16(4096), uint16(16), []byte{1, 2, 3}, false)
	f.Add(uint16(4096+8), uint16(4096+8), []byte{255, 255, 255, 255, 255, 255}, true)
	f.Add(uint16(4096+56), uint16(8192+16), []byte{9}, true)
	f.Add(uint16(4096+68), uint16(8192+48), []byte{2}, true)
	f.Add(uint16(8192+72), uint16(12288+80), []byte{1, 1}, true)
	f.Add(uint16(4096+68), uint16(8192+9), []byte{48}, true)
	f.Fuzz(func(t *testing.T, at, at2 uint16, bytes []byte, seal bool) {
		fs, name := smallLog(t)
		rewrite(t, fs, name, func(b []byte) []byte {
			copy(b[int(at)%len(b):], bytes)
			copy(b[int(at2)%len(b):], bytes)
			if seal {
				resealRounds(b)
			}
			return b
		})
		_, _, err := recoverAll(fs, 0)
		if err != nil && !errors.Is(err, dberr.ErrCorrupt) && !isOtherFormat(err) {
			t.Fatal(err)
		}
		report := check(t, fs)
		if err != nil && len(report.Problems) == 0 {
			t.Fatalf("recovery finds %v, check nothing", err)
		}
	})
}

// smallLog returns a log of one segment with a few rounds.
func smallLog(t *testing.T) (*faultfs.FS, string) {
	f := newFS(t)
	o := testOptions(f, 2)
	o.SegmentBytes = segmentBytesMin
	n := stepLog(t, o)
	l := n.log
	for i := range 5 {
		for range i {
			appendTx(l.Stream(i%2), o.HLC, []Write{{Kind: KindPut, Key: []byte("key"), Value: make([]byte, 10)}, {Kind: KindDelete}})
		}
		must(t, l.flush.work(false))
	}
	return f, segmentName(testDir, 1)
}

// resealRounds gives all that looks like a round header its right checksums.
func resealRounds(b []byte) {
	le := binary.LittleEndian
	for at := blockBytes; at < len(b); at += blockBytes {
		r := b[at:]
		if string(r[:4]) != "RND2" {
			continue
		}
		batches := le.Uint32(r[56:])
		if table := roundHeaderBytes + int(batches)*batchHeaderBytes; batches <= StreamsMax && table <= len(r) {
			le.PutUint32(r[64:], checksum(0, r[roundHeaderBytes:table]))
		}
		clear(r[roundCRCOffset : roundCRCOffset+4])
		le.PutUint32(r[roundCRCOffset:], checksum(placeIn(testID, 1).at(int64(at)).seed(), r[:roundHeaderBytes]))
	}
}

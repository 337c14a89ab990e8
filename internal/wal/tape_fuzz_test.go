package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// FuzzSplitPayload: what is accepted is what its batches encode to, and all records can
// be read.
func FuzzSplitPayload(f *testing.F) {
	m := newMaker(1)
	f.Add([]byte{}, false)
	f.Add(m.payload(50), false)
	f.Add(m.payload(500), true)
	f.Fuzz(func(t *testing.T, p []byte, seal bool) {
		if seal {
			p = resealPayload(bytes.Clone(p))
		}
		batches, err := SplitPayload(p)
		if err != nil {
			var bad *FormatError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(p) {
				t.Fatalf("error %v in %d bytes", err, len(p))
			}
			return
		}
		if again, _, _ := encodePayload(batches, recordBytes(batches)); !bytes.Equal(again, p) {
			t.Fatalf("%x was taken apart and put together as %x", p, again)
		}
		for i := range batches {
			n := 0
			r := batches[i].Read()
			for r.Next() {
				readTx(0, &r)
				n++
			}
			if r.Err() != nil || n != batches[i].Records {
				t.Fatalf("%d of %d records: %v", n, batches[i].Records, r.Err())
			}
		}
	})
}

// resealPayload gives a payload its right checksums, as far as its counts allow.
func resealPayload(p []byte) []byte {
	n, _, err := payloadHeader(p)
	if n == 0 || err != nil {
		return p
	}
	end := payloadHeaderBytes + n*batchHeaderBytes
	for i, at := 0, end; i < n; i++ {
		h := p[payloadHeaderBytes+i*batchHeaderBytes:]
		size := binary.LittleEndian.Uint64(h[8:])
		if size > uint64(len(p)-at) {
			break
		}
		binary.LittleEndian.PutUint32(h[40:], checksum(0, p[at:at+int(size)]))
		clear(h[44:48])
		at += int(size)
	}
	putPayloadHeader(p, n, checksum(0, p[payloadHeaderBytes:end]))
	return p
}

// FuzzTape changes bytes of a tape's segments, gives the headers their right checksums
// back if asked to, and opens and reads it. Nothing may panic or report anything but damage,
// and a tape that opens can be written to and opened again.
func FuzzTape(f *testing.F) {
	f.Add(uint8(0), uint16(4096), uint16(16), []byte{1, 2, 3}, false, false)
	f.Add(uint8(1), uint16(4096+8), uint16(8192+8), []byte{255, 255, 255, 255, 255, 255}, true, true)
	f.Add(uint8(1), uint16(4096+72), uint16(104), []byte{9}, true, true)
	f.Add(uint8(2), uint16(72), uint16(4096+60), []byte{2, 0, 0, 0}, true, true)
	disk, tape, _ := rotTape(f)
	segments := tape.mu.segments
	f.Fuzz(func(t *testing.T, segment uint8, at, at2 uint16, change []byte, seal, damaged bool) {
		fs := disk.Clone()
		s := segments[int(segment)%len(segments)]
		b := must2(fs.ReadFile(s.name))
		copy(b[int(at)%len(b):], change)
		copy(b[int(at2)%len(b):], change)
		if seal {
			reseal(b[:blockBytes])
			resealTape(b, s)
		}
		must(t, fs.WriteFile(s.name, b))
		openFuzzed(t, fs, damaged)
	})
}

// openFuzzed opens a tape, reads all of it, and goes on.
func openFuzzed(t *testing.T, fs *faultfs.FS, damaged bool) {
	o := tapeOptions(fs)
	o.Damaged = damaged
	tape, found, err := OpenTape(o)
	if err != nil {
		if !errors.Is(err, dberr.ErrCorrupt) && !isOtherFormat(err) {
			t.Fatal(err)
		}
		return
	}
	if n := found.Base.Number + RoundNumber(len(found.Rounds)); n != tape.Last() {
		t.Fatalf("%d rounds behind %d, but the last one is %d", len(found.Rounds), found.Base.Number, tape.Last())
	}
	for n := found.Base.Number + 1; n <= tape.Last() && n != 0; n++ {
		if _, err := tape.Read(n, 1); err != nil && !errors.Is(err, dberr.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	next := Round{Number: tape.Last() + 1, Epoch: 1 << 63, Kind: RoundOpen}
	if err := tape.Append([]Round{next}); err != nil {
		must(t, tape.Close())
		return
	}
	must(t, tape.Close())
	again, _, err := OpenTape(o)
	if err != nil {
		t.Fatalf("it was opened and written to, and then: %v", err)
	}
	if got, err := again.Read(next.Number, 1); err != nil || len(got) != 1 || !sameRound(&got[0], &next) {
		t.Fatalf("the round that was appended: %v, %v", got, err)
	}
}

// resealTape gives all that looks like a round header its right checksum.
func resealTape(b []byte, s *segment) {
	for at := blockBytes; at < len(b); at += blockBytes {
		r := b[at:]
		if string(r[:4]) != "RND2" {
			continue
		}
		clear(r[roundCRCOffset : roundCRCOffset+4])
		binary.LittleEndian.PutUint32(r[roundCRCOffset:], checksum(s.place().at(int64(at)).seed(), r[:roundHeaderBytes]))
	}
}

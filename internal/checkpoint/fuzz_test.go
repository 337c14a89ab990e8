package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
)

// seal makes the checksums of a stream right as far as its lengths lead, so that
// a fuzzer gets past them.
func seal(stream []byte) []byte {
	b := bytes.Clone(stream)
	if len(b) < headerBytes {
		return b
	}
	copy(b, magic[:])
	streamCRC := crc32.Checksum(b[:headerCRCOffset], castagnoli)
	binary.LittleEndian.PutUint32(b[headerCRCOffset:], streamCRC)
	for rest := b[headerBytes:]; len(rest) >= blockHeaderBytes; {
		stored := int(binary.LittleEndian.Uint32(rest[20:]))
		if body := rest[blockHeaderBytes:]; stored <= len(body) {
			binary.LittleEndian.PutUint32(rest[24:], crc32.Checksum(body[:stored], castagnoli))
		}
		binary.LittleEndian.PutUint32(rest[blockCRCOffset:], crc32.Update(streamCRC, castagnoli, rest[:blockCRCOffset]))
		rest = rest[min(len(rest), blockHeaderBytes+stored):]
	}
	return b
}

func FuzzStream(f *testing.F) {
	whole := smallStream(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(newForge(testHeader).footer().out)
	f.Add(newForge(testHeader).tables(Table{ID: 1, Name: "t"}).data(1, 2, []byte{0, 0, 1, 0x80, 1}).footer().out)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, stream := range [][]byte{data, seal(data)} {
			tables, entries, sum, err := readStream(bytes.NewReader(stream))
			if err != nil {
				if !errors.Is(err, dberr.ErrCorrupt) && !errors.Is(err, dberr.ErrNewerFormat) {
					t.Fatalf("error is of no kind that a damaged stream may cause: %v", err)
				}
				continue
			}
			if sum.Entries != int64(len(entries)) || sum.Bytes > int64(len(stream)) {
				t.Fatalf("read %d entries from %d bytes, summary %+v", len(entries), len(stream), sum)
			}
			h, err := decodeHeader("fuzz", (*[headerBytes]byte)(stream))
			if err != nil {
				t.Fatal(err)
			}
			var again bytes.Buffer
			writeStream(t, &again, h, tables, entries)
			tables2, entries2, _, err := readStream(&again)
			if err != nil || !slices.Equal(tables, tables2) || !slices.EqualFunc(entries, entries2, equalEntries) {
				t.Fatalf("what was read cannot be written and read again: %v", err)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	b := testHeader.encode()
	f.Add(b[:])
	f.Add(make([]byte, headerBytes))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b [headerBytes]byte
		copy(b[:], seal(append(data, make([]byte, headerBytes)...)[:headerBytes]))
		h, err := decodeHeader("fuzz", &b)
		if err == nil && h.encode() != b {
			t.Fatalf("header %+v is not what was decoded", h)
		}
		if err != nil && !errors.Is(err, dberr.ErrCorrupt) && !errors.Is(err, dberr.ErrNewerFormat) {
			t.Fatal(err)
		}
	})
}

// FuzzBlockHeader also covers the footer, whose body has to match the framing.
func FuzzBlockHeader(f *testing.F) {
	h := blockHeader{kind: entriesBlock, entries: 1, raw: 4, stored: 4}
	var b [blockHeaderBytes]byte
	h.encode(b[:], 5)
	f.Add(b[:], uint32(5), uint32(0), false)
	f.Add(make([]byte, blockHeaderBytes), uint32(0), uint32(TablesMax), true)
	h.raw, h.stored = blockBytesMax+1, blockBytesMax+1
	h.encode(b[:], 5)
	f.Add(b[:], uint32(5), uint32(0), false)
	f.Fuzz(func(t *testing.T, data []byte, streamCRC, tables uint32, inData bool) {
		var b [blockHeaderBytes]byte
		copy(b[:], data)
		binary.LittleEndian.PutUint32(b[blockCRCOffset:], crc32.Update(streamCRC, castagnoli, b[:blockCRCOffset]))
		fr := framing{streamCRC: streamCRC, tables: tables % (TablesMax + 1), inData: inData, sequence: binary.LittleEndian.Uint32(b[4:])}
		h, err := fr.decode("fuzz", &b)
		if err != nil {
			if !errors.Is(err, dberr.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		var again [blockHeaderBytes]byte
		h.encode(again[:], streamCRC)
		if again != b {
			t.Fatalf("header %+v is not what was decoded", h)
		}
		if h.raw > blockBytesMax || h.entries > h.raw || inData && h.kind == tablesBlock {
			t.Fatalf("header %+v is above the limits", h)
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add([]byte{1, 1, 'k', 'v', 0, 0}, uint32(2))
	f.Add([]byte{0x81, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, uint32(1))
	f.Add(appendTable(nil, testTables[1]), uint32(1))
	f.Fuzz(func(t *testing.T, body []byte, count uint32) {
		var e Entries
		e.reset("fuzz", 0, count, body)
		n, size := uint32(0), 0
		for e.Next() {
			n++
			size += entryBytesMin + len(e.Key()) + len(e.Value())
			if len(e.Key()) > KeyBytesMax || len(e.Value()) > ValueBytesMax || size > len(body) {
				t.Fatalf("entry %d has a key of %d and a value of %d bytes in a block of %d", n, len(e.Key()), len(e.Value()), len(body))
			}
		}
		if (e.Err() == nil) != (n == count && len(e.rest) == 0) || n > count {
			t.Fatalf("%d of %d entries, %d bytes left, error %v", n, count, len(e.rest), e.Err())
		}
		if e.Next() {
			t.Fatal("the iteration goes on after its end")
		}
		e.reset("fuzz", 0, count, body)
		tables, err := decodeTables(nil, &e)
		for _, table := range tables {
			if err == nil && table.validate() != nil {
				t.Fatalf("table %+v is not valid", table)
			}
		}
	})
}

func testManifest() Manifest {
	return Manifest{
		Database:  testHeader.Database,
		Timestamp: testHeader.Timestamp,
		Created:   time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC),
		Godwit:    "v1.2.3-\"quoted\"",
		Folder:    timestampText(testHeader.Timestamp) + folderSuffix,
		Tables:    testTables,
		Parts:     []Part{{Summary{Blocks: 3, Entries: 100, Bytes: 5000, Checksum: 0xabc}}, {Summary{Bytes: headerBytes + footerBytes}}},
	}
}

func FuzzManifest(f *testing.F) {
	m := testManifest()
	b, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{\"godwit_checkpoint\":2}\n"))
	f.Add([]byte("{\"godwit_checkpoint\":1}\n{}\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		// The checksum line of what the fuzzer changed is made right.
		body := data[:max(0, len(data)-endLineBytes)]
		sealed := append(bytes.Clone(body), endLine(crc32.Checksum(body, castagnoli))...)
		for _, text := range [][]byte{data, sealed} {
			m, err := decodeManifest("fuzz", text)
			if err != nil {
				if !errors.Is(err, dberr.ErrCorrupt) && !errors.Is(err, dberr.ErrNewerFormat) {
					t.Fatal(err)
				}
				continue
			}
			again, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			m.Created = m.Created.Truncate(time.Millisecond)
			if m2, err := decodeManifest("fuzz", again); err != nil || !reflect.DeepEqual(m, m2) {
				t.Fatalf("manifest changes:\n%+v\n%+v\n%v", m, m2, err)
			}
		}
	})
}

package checkpoint

import (
	"bytes"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
)

// Blocks that are intact but not where they belong.
func TestMisplacedBlocks(t *testing.T) {
	stream := smallStream(t)
	at := streamBlocks(t, stream)
	head := stream[:at[0]]
	blocks := func(s []byte, order ...int) []byte {
		out := bytes.Clone(s[:at[0]])
		for _, i := range order {
			out = append(out, s[at[i]:at[i+1]]...)
		}
		return out
	}
	if len(at) != 6 {
		t.Fatalf("stream has %d blocks", len(at)-1)
	}
	if _, _, _, err := readStream(bytes.NewReader(blocks(stream, 0, 1, 2, 3, 4))); err != nil {
		t.Fatal(err)
	}

	other := testHeader
	other.Timestamp++
	otherHead := other.encode()
	newer := append(otherHead[:], stream[len(head):]...)

	// The same blocks but for one value, which no length or count tells.
	var buf bytes.Buffer
	writeStream(t, &buf, testHeader, testTables[:2], []testEntry{
		{7, nil, nil}, {7, []byte("k"), bytes.Repeat([]byte("w"), 130)}, {1, bytes.Repeat([]byte("k"), 200), []byte("x")}, {7, []byte("z"), nil},
	})
	twin := buf.Bytes()
	if len(twin) != len(stream) {
		t.Fatal("streams differ in length")
	}
	mixed := append(bytes.Clone(twin[:at[4]]), stream[at[4]:]...)

	for name, c := range map[string]struct {
		stream []byte
		offset int64
	}{
		"missing":             {blocks(stream, 0, 1, 3, 4), at[2]},
		"twice":               {blocks(stream, 0, 1, 1, 2, 3, 4), at[2]},
		"swapped":             {blocks(stream, 0, 2, 1, 3, 4), at[1]},
		"no directory":        {blocks(stream, 1, 2, 3, 4), at[0]},
		"late directory":      {blocks(stream, 1, 0, 2, 3, 4), at[0]},
		"early footer":        {blocks(stream, 0, 1, 2, 4), at[3]},
		"of another snapshot": {newer, at[0]},
		"footer of a twin":    {mixed, at[4]},
	} {
		_, _, _, err := readStream(bytes.NewReader(c.stream))
		var corrupt *dberr.CorruptionError
		if !errors.As(err, &corrupt) || corrupt.Offset != c.offset {
			t.Errorf("%s: %v, want offset %d", name, err, c.offset)
		}
	}
}

// forge builds streams whose checksums are right and whose content is not.
type forge struct {
	out     []byte
	framing framing
}

func newForge(h Header) *forge {
	b := h.encode()
	return &forge{out: b[:], framing: newFraming(&b)}
}

func (f *forge) block(h blockHeader, body []byte) *forge {
	h.sequence = f.framing.sequence
	h.bodyCRC = crc32.Checksum(body, castagnoli)
	var b [blockHeaderBytes]byte
	h.encode(b[:], f.framing.streamCRC)
	f.framing.advance(h, b[:])
	f.out = append(append(f.out, b[:]...), body...)
	return f
}

func (f *forge) tables(tables ...Table) *forge {
	var body []byte
	for _, t := range tables {
		body = appendTable(body, t)
	}
	return f.block(blockHeader{kind: tablesBlock, entries: uint32(len(tables)), raw: uint32(len(body)), stored: uint32(len(body))}, body)
}

func (f *forge) data(table TableID, entries int, body []byte) *forge {
	return f.block(blockHeader{kind: entriesBlock, table: table, entries: uint32(entries), raw: uint32(len(body)), stored: uint32(len(body))}, body)
}

// summary returns what a stream holds to which footer will be added.
func (f *forge) summary() Summary {
	sum := f.framing.total
	sum.Bytes += footerBytes
	sum.Checksum = f.framing.chain
	return sum
}

func (f *forge) footer() *forge {
	body := f.framing.footer()
	return f.block(blockHeader{kind: footerBlock, raw: footerBodyBytes, stored: footerBodyBytes}, body[:])
}

func TestForgedStreams(t *testing.T) {
	table := Table{ID: 1, Name: "t"}
	one := []byte{1, 1, 'k', 'v'}
	good := func() *forge { return newForge(testHeader).tables(table) }
	if _, entries, _, err := readStream(bytes.NewReader(good().data(1, 1, one).footer().out)); err != nil || len(entries) != 1 {
		t.Fatalf("the forge makes bad streams: %v", err)
	}
	h := blockHeader{kind: entriesBlock, table: 1, entries: 1, raw: 4, stored: 4}
	with := func(change func(*blockHeader)) *forge {
		h := h
		change(&h)
		return good().block(h, one)
	}
	for name, f := range map[string]*forge{
		"unknown table":        good().data(2, 1, one),
		"no entries":           good().data(1, 0, one),
		"more entries":         good().data(1, 2, one),
		"fewer entries":        good().data(1, 1, append(one, one...)),
		"impossible count":     good().data(1, 1<<30, one),
		"long key":             good().data(1, 1, append([]byte{0x81, 0x20, 0}, make([]byte, KeyBytesMax+1)...)),
		"key beyond the end":   good().data(1, 1, []byte{5, 0, 'k'}),
		"value beyond the end": good().data(1, 1, []byte{1, 0xff, 0xff, 3, 'k'}),
		"value above limit":    good().data(1, 1, []byte{0, 0x81, 0x80, 0x80, 0x20, 1, 2}),
		"endless length":       good().data(1, 1, bytes.Repeat([]byte{0xff}, 20)),
		"table twice":          good().tables(Table{ID: 1, Name: "u"}),
		"name twice":           good().tables(Table{ID: 2, Name: "t"}),
		"no name":              newForge(testHeader).tables(Table{ID: 1}),
		"short table key":      newForge(testHeader).block(blockHeader{kind: tablesBlock, entries: 1, raw: 4, stored: 4}, one),
		"unknown codec":        with(func(h *blockHeader) { h.codec = 1 }),
		"unknown type":         with(func(h *blockHeader) { h.kind = 9 }),
		"raw is not stored":    with(func(h *blockHeader) { h.raw = 5 }),
		"above limit":          with(func(h *blockHeader) { h.raw, h.stored = blockBytesMax+1, blockBytesMax+1 }),
		"footer with entries":  good().block(blockHeader{kind: footerBlock, entries: 1, raw: footerBodyBytes, stored: footerBodyBytes}, make([]byte, footerBodyBytes)),
		"short footer":         good().block(blockHeader{kind: footerBlock, raw: 4, stored: 4}, one),
		"wrong footer":         good().block(blockHeader{kind: footerBlock, raw: footerBodyBytes, stored: footerBodyBytes}, make([]byte, footerBodyBytes)),
	} {
		// A stream that is cut is corrupt too: the footer lets only the forgery
		// be wrong.
		_, _, _, err := readStream(bytes.NewReader(f.footer().out))
		var corrupt *dberr.CorruptionError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeaderVersions(t *testing.T) {
	reseal := func(change func(b *[headerBytes]byte)) []byte {
		b := testHeader.encode()
		change(&b)
		crc := crc32.Checksum(b[:headerCRCOffset], castagnoli)
		b[44], b[45], b[46], b[47] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
		return b[:]
	}
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"newer":           {reseal(func(b *[headerBytes]byte) { b[8] = FormatVersion + 1 }), dberr.ErrNewerFormat},
		"newer elsewhere": {reseal(func(b *[headerBytes]byte) { b[9], b[10], b[40] = 1, 9, 1 }), dberr.ErrNewerFormat},
		"version 0":       {reseal(func(b *[headerBytes]byte) { b[8] = 0 }), dberr.ErrCorrupt},
		"kind":            {reseal(func(b *[headerBytes]byte) { b[10] = 3 }), dberr.ErrCorrupt},
		"reserved":        {reseal(func(b *[headerBytes]byte) { b[41] = 1 }), dberr.ErrCorrupt},
		"timestamp":       {reseal(func(b *[headerBytes]byte) { b[39] = 0xff }), dberr.ErrCorrupt},
		"not ours":        {[]byte(strings.Repeat("PK\x03\x04", 20)), dberr.ErrCorrupt},
	} {
		if _, err := NewReader(bytes.NewReader(c.stream), "test"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stream that promises much must not make the reader take memory for it.
func TestPromisedLengthTakesNoMemory(t *testing.T) {
	f := newForge(testHeader).tables(Table{ID: 1, Name: "t"})
	f.block(blockHeader{kind: entriesBlock, table: 1, entries: 1, raw: blockBytesMax, stored: blockBytesMax}, make([]byte, 100))
	r, err := NewReader(bytes.NewReader(f.out), "test")
	if err != nil {
		t.Fatal(err)
	}
	if r.Next() || !errors.Is(r.Err(), dberr.ErrCorrupt) {
		t.Fatalf("error %v", r.Err())
	}
	if cap(r.body) > 2*readStepBytes {
		t.Errorf("reader took %d bytes for 100", cap(r.body))
	}
}

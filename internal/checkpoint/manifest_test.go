package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

func TestManifestText(t *testing.T) {
	m := testManifest()
	m.Tables = testTables[:2]
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"godwit_checkpoint":1,"database":"010203ff000000000000000000000000","timestamp":"1000000000003039","created":"2026-03-04T05:06:07.89Z","godwit":"v1.2.3-\"quoted\"","folder":"1000000000003039-2"}
{"table":{"id":7,"kind":1,"name":"orders"}}
{"table":{"id":1,"kind":0,"name":"müller's \"things\"\n"}}
{"part":{"file":"part-0000.ckp","bytes":5000,"blocks":3,"entries":100,"crc32c":"00000abc"}}
{"part":{"file":"part-0001.ckp","bytes":112,"blocks":0,"entries":0,"crc32c":"00000000"}}
`
	want += fmt.Sprintf("{\"crc32c\":\"%08x\"}\n", crc32.Checksum([]byte(want), castagnoli))
	if string(b) != want {
		t.Errorf("manifest is\n%swant\n%s", b, want)
	}
	got, err := decodeManifest("M", b)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("decoded %+v, want %+v, error %v", got, m, err)
	}
	if total := got.Total(); total != (Summary{Blocks: 3, Entries: 100, Bytes: 5112}) {
		t.Errorf("total %+v", total)
	}
}

func TestManifestDamage(t *testing.T) {
	m := testManifest()
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := decodeManifest("M", b[:n]); !errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := decodeManifest("M", append(bytes.Clone(b), '\n')); !errors.Is(err, dberr.ErrCorrupt) {
		t.Errorf("one byte more: %v", err)
	}
	for i := range b {
		for bit := range 8 {
			damaged := bytes.Clone(b)
			damaged[i] ^= 1 << bit
			if _, err := decodeManifest("M", damaged); !errors.Is(err, dberr.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
	}
}

// Manifests whose checksum is right and whose content is not.
func TestForgedManifests(t *testing.T) {
	m := testManifest()
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b[:len(b)-endLineBytes])
	decode := func(text string) error {
		_, err := decodeManifest("M", append([]byte(text), endLine(crc32.Checksum([]byte(text), castagnoli))...))
		return err
	}
	if err := decode(text); err != nil {
		t.Fatal(err)
	}
	if err := decode(`{"godwit_checkpoint":2,"and":["all","else"],"database":5}` + "\nanything\n"); !errors.Is(err, dberr.ErrNewerFormat) {
		t.Errorf("newer format: %v", err)
	}
	lines := strings.SplitAfter(text, "\n")
	secondLine := int64(len(lines[0]))
	for name, c := range map[string]struct {
		old, new string
		offset   int64
	}{
		"format 0":         {`checkpoint":1`, `checkpoint":0`, 0},
		"short id":         {`"010203ff`, `"0203ff`, 0},
		"id is not hex":    {`"010203ff`, `"x10203ff`, 0},
		"timestamp":        {`"1000000000003039"`, `"1000000000003040"`, 0},
		"number":           {`"1000000000003039"`, `"+100000000003039"`, 0},
		"large timestamp":  {`1000000000003039`, `f000000000003039`, 0},
		"folder elsewhere": {`3039-2"`, `3039-2/../x"`, 0},
		"not JSON":         {`{"table":{"id":7`, `{"table":{"id":7x`, secondLine},
		"unknown line":     {`{"table":{"id":7`, `{"chair":{"id":7`, secondLine},
		"id is too large":  {`"id":7`, `"id":4294967296`, secondLine},
		"id twice":         {`"id":7`, `"id":1`, 0},
		"empty line":       {lines[1], "\n" + lines[1], secondLine},
		"file elsewhere":   {`part-0000.ckp`, `../part-0000`, int64(len(text) - len(lines[len(lines)-2]) - len(lines[len(lines)-3]))},
		"part twice":       {`part-0001.ckp`, `part-0000.ckp`, int64(len(text) - len(lines[len(lines)-2]))},
		"part too small":   {`"bytes":112`, `"bytes":111`, 0},
		"negative entries": {`"entries":100`, `"entries":-1`, 0},
		"long checksum":    {`"00000abc"`, `"000000abc"`, int64(len(text) - len(lines[len(lines)-2]) - len(lines[len(lines)-3]))},
	} {
		changed := strings.ReplaceAll(text, c.old, c.new)
		if changed == text {
			t.Errorf("%s: nothing to change", name)
		}
		var corrupt *dberr.CorruptionError
		if err := decode(changed); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		} else if corrupt.File != "M" || corrupt.Offset != c.offset {
			t.Errorf("%s: error names offset %d, want %d: %v", name, corrupt.Offset, c.offset, err)
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	for name, change := range map[string]func(*Manifest){
		"timestamp": func(m *Manifest) { m.Timestamp = hlc.Max + 1; m.Folder = timestampText(m.Timestamp) },
		"folder":    func(m *Manifest) { m.Folder = "x" },
		"parts":     func(m *Manifest) { m.Parts = make([]Part, PartsMax+1) },
		"tables":    func(m *Manifest) { m.Tables = make([]Table, 2) },
		"version":   func(m *Manifest) { m.Godwit = "\xff" },
		"year":      func(m *Manifest) { m.Created = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		m := testManifest()
		change(&m)
		if b, err := m.encode(); err == nil {
			t.Errorf("%s: written as %s", name, b)
		}
	}
}

// A manifest at every limit fits what a reader takes.
func TestManifestLimit(t *testing.T) {
	m := testManifest()
	m.Godwit = strings.Repeat("\x01", godwitVersionBytesMax)
	m.Tables = nil
	name := strings.Repeat("\x01", TableNameBytesMax-3)
	const sample = 1000
	for i := range sample {
		m.Tables = append(m.Tables, Table{ID: 1<<32 - 1 - TableID(i), Kind: 255, Name: fmt.Sprintf("%s%03d", name, i)})
	}
	m.Parts = nil
	for range PartsMax {
		m.Parts = append(m.Parts, Part{Summary{Blocks: 1<<63 - 1, Entries: 1<<63 - 1, Bytes: 1<<63 - 1}})
	}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if most := manifestBytesMax - (TablesMax-sample)*tableLineBytesMax; len(b) > most {
		t.Errorf("manifest has %d bytes, at most %d are expected", len(b), most)
	}
}

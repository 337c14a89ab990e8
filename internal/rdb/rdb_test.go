package rdb

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestChecksum(t *testing.T) {
	if got := checksum([]byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Errorf("%x", got)
	}
}

// sample is a value that Redis 7.0 has dumped.
type sample struct {
	name, kind string
	dump       []byte
	items      []string // of a sorted set with their scores
}

func samples(tb testing.TB) (all []sample) {
	tb.Helper()
	text, err := os.ReadFile("testdata/redis-7.0.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		s := sample{name: f[0], kind: f[1]}
		if s.dump, err = base64.StdEncoding.DecodeString(f[2]); err != nil {
			tb.Fatal(err)
		}
		for _, item := range f[3:] {
			s.items = append(s.items, strings.Trim(item, `"`))
		}
		all = append(all, s)
	}
	return all
}

func (v Value) strings() (items []string) {
	for i, item := range v.Items {
		items = append(items, string(item))
		if v.Kind == SortedSet {
			items = append(items, strconv.FormatFloat(v.Scores[i], 'g', -1, 64))
		}
	}
	return items
}

// TestDecodeRedis: what Redis 7.0 dumps is read, and read again as it was when it is written in plain form.
func TestDecodeRedis(t *testing.T) {
	kinds := map[string]Kind{"string": String, "list": List, "set": Set, "hash": Hash, "zset": SortedSet}
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			v, err := Decode(s.dump)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(strings.Join(s.items, " "), "-inf", "-Inf")
			if got := strings.Join(v.strings(), " "); v.Kind != kinds[s.kind] || got != want {
				t.Errorf("kind %d\n got %.200q\nwant %.200q", v.Kind, got, want)
			}
			again, err := Decode(Append([]byte("before"), v)[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(again.strings(), " "); again.Kind != v.Kind || got != want {
				t.Errorf("again: kind %d\n got %.200q\nwant %.200q", again.Kind, got, want)
			}
		})
	}
}

// TestDecodeOlder: the forms of versions before 7.0.
func TestDecodeOlder(t *testing.T) {
	ziplist := "\x14\x00\x00\x00\x00\x00\x00\x00\x04\x00" + "\x00\xf3" + "\x02\x01a" + "\x03\xfe\xfb" + "\xff"
	ziplist = string([]byte{byte(len(ziplist))}) + ziplist[1:]
	str := string([]byte{byte(len(ziplist))}) + ziplist
	for _, c := range []struct{ in, want string }{
		{"\x0a" + str, "2 a -5"},
		{"\x0e\x02" + str + str, "2 a -5 2 a -5"},
		{"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff", "a 1.5 b +Inf c -Inf"},
		{"\x01\x02\x01a\x01b", "a b"},
	} {
		v, err := decode([]byte(c.in))
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := strings.Join(v.strings(), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := Append(nil, Value{Kind: String, Items: [][]byte{[]byte("value")}})
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := Decode(bad); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := Decode(good[:i]); !errors.Is(err, ErrChecksum) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	for _, bad := range []string{
		"", "\x00", "\x00\x05abc", "\x00\x01ab", "\x06\x01a", "\x0f\x01a", // streams and modules too
		"\x01\x00", "\x02\x00", "\x04\x01\x01a", // empty, half a pair
		"\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "\x00\x80\xff\xff\xff\xff", "\x00\xc3\x01\x80\x20\x00\x00\x00a",
		"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f", "\x03\x01\x01a\xfd", "\x03\x01\x01a\x03nan", // no numbers
		"\x0b\x08\x02\x00\x00\x00\x01\x00\x00\x00", "\x10\x07\x07\x00\x00\x00\x00\x00\xff",
	} {
		if _, err := decode([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzDecode: whatever comes is refused, or is a value that can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		if len(s.dump) < 2000 {
			f.Add(s.dump[:len(s.dump)-footerBytes])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err != nil {
			return
		}
		if len(v.Items) == 0 || v.Kind == SortedSet && len(v.Items) != len(v.Scores) || v.Kind == Hash && len(v.Items)%2 != 0 {
			t.Fatalf("%q: %+v", b, v)
		}
		again, err := Decode(Append(nil, v))
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for i := range v.Items {
			if !bytes.Equal(v.Items[i], again.Items[i]) || v.Kind == SortedSet && math.Float64bits(v.Scores[i]) != math.Float64bits(again.Scores[i]) {
				t.Fatalf("%q: item %d", b, i)
			}
		}
	})
}

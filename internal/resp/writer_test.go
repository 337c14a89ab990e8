package resp

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestWriter(t *testing.T) {
	for _, c := range []struct {
		name         string
		write        func(w *Writer)
		resp2, resp3 string // "" is the same as resp2
	}{
		{"ok", func(w *Writer) { w.OK() }, "+OK\r\n", ""},
		{"simple", func(w *Writer) { w.SimpleString("a\r\nb") }, "+a  b\r\n", ""},
		{"error", func(w *Writer) { w.Error("ERR x\ny") }, "-ERR x y\r\n", ""},
		{"int", func(w *Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ""},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\n")) }, "$3\r\na\r\n\r\n", ""},
		{"bulk nil", func(w *Writer) { w.Bulk(nil) }, "$0\r\n\r\n", ""},
		{"bulk string", func(w *Writer) { w.BulkString("é") }, "$2\r\né\r\n", ""},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(2) }, "*2\r\n", ""},
		{"map", func(w *Writer) { w.Map(2) }, "*4\r\n", "%2\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *Writer) { w.Push(2) }, "*2\r\n", ">2\r\n"},
		{"double", func(w *Writer) { w.Double(3.3) }, "$3\r\n3.3\r\n", ",3.3\r\n"},
		{"infinity", func(w *Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"true", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("12345678901234567890") }, "$20\r\n12345678901234567890\r\n", "(12345678901234567890\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "a b") }, "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"},
		{"raw", func(w *Writer) { w.Raw([]byte(":1\r\n")) }, ":1\r\n", ""},
		{"array set", func(w *Writer) { m := w.Defer(); w.Int(1); w.Int(2); w.SetArray(m, 2) }, "*2\r\n:1\r\n:2\r\n", ""},
		{"empty array set", func(w *Writer) { w.SetArray(w.Defer(), 0) }, "*0\r\n", ""},
		{"map set", func(w *Writer) { m := w.Defer(); w.Int(1); w.Int(2); w.SetMap(m, 1) }, "*2\r\n:1\r\n:2\r\n", "%1\r\n:1\r\n:2\r\n"},
		{"set set", func(w *Writer) { m := w.Defer(); w.Int(1); w.SetSet(m, 1) }, "*1\r\n:1\r\n", "~1\r\n:1\r\n"},
		{"push set", func(w *Writer) { m := w.Defer(); w.Int(1); w.SetPush(m, 1) }, "*1\r\n:1\r\n", ">1\r\n:1\r\n"},
		{"nested", func(w *Writer) {
			w.OK()
			outer := w.Defer()
			for range 2 {
				inner := w.Defer()
				w.Int(1)
				w.SetArray(inner, 1)
			}
			w.SetArray(outer, 2)
			w.OK()
		}, "+OK\r\n*2\r\n*1\r\n:1\r\n*1\r\n:1\r\n+OK\r\n", ""},
	} {
		for proto, want := range map[int]string{2: c.resp2, 3: c.resp3} {
			if want == "" {
				want = c.resp2
			}
			w := Writer{Proto: proto}
			if c.write(&w); string(w.Bytes()) != want {
				t.Errorf("%s: RESP%d %q, want %q", c.name, proto, w.Bytes(), want)
			}
		}
	}
}

func TestWriterTruncate(t *testing.T) {
	w := Writer{Proto: 2}
	w.OK()
	n := w.Len()
	w.BulkString("of an attempt that failed")
	w.Truncate(n)
	w.Int(1)
	if got := string(w.Bytes()); got != "+OK\r\n:1\r\n" {
		t.Errorf("got %q", got)
	}
	w.Reset()
	if w.Len() != 0 {
		t.Errorf("%d bytes after Reset", w.Len())
	}
}

// TestWriterShrinks: one large reply does not cost memory for as long as its
// connection lives.
func TestWriterShrinks(t *testing.T) {
	w := Writer{Proto: 2}
	w.Bulk(make([]byte, 1<<20))
	w.Reset()
	w.OK()
	if cap(w.buf) > writerBytesKept {
		t.Errorf("keeps %d bytes", cap(w.buf))
	}
}

func TestWriteAllocates(t *testing.T) {
	w := Writer{Proto: 3}
	value := bytes.Repeat([]byte("v"), 100)
	text := strings.Repeat("t", 100)
	write := func() {
		w.Reset()
		for _, w.Proto = range []int{2, 3} {
			w.OK()
			w.Error(text)
			w.Int(1 << 40)
			w.Bulk(value)
			w.BulkString(text)
			w.Null()
			w.Double(1.0 / 3)
			w.Verbatim("txt", text)
			m := w.Defer()
			w.Bool(true)
			w.SetArray(m, 1)
		}
	}
	write()
	if got := testing.AllocsPerRun(100, write); got != 0 {
		t.Errorf("%v allocations", got)
	}
	dst := make([]byte, 0, 1024)
	args := [][]byte{[]byte("SET"), value, value}
	if got := testing.AllocsPerRun(100, func() { AppendCommand(dst, args...) }); got != 0 {
		t.Errorf("AppendCommand: %v allocations", got)
	}
}

func BenchmarkWriteBulk(b *testing.B) {
	w := Writer{Proto: 2}
	value := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if w.Bulk(value); w.Len() > 16<<10 {
			w.Reset()
		}
	}
}

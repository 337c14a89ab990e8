package resp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func readReply(s string, limits ReplyLimits) (Value, error) {
	return ReadReply(bufio.NewReader(strings.NewReader(s)), limits)
}

func bulk(s string) Value    { return Value{Kind: KindBulk, Bytes: []byte(s)} }
func integer(n int64) Value  { return Value{Kind: KindInt, Int: n} }
func array(e ...Value) Value { return Value{Kind: KindArray, Elems: e} }

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		in    string
		want  Value
		resp2 string // how it is written for RESP2, if not as it was
		resp3 string // and for RESP3
	}{
		{"+OK\r\n", Value{Kind: KindSimple, Bytes: []byte("OK")}, "", ""},
		{"-ERR no\r\n", Value{Kind: KindError, Bytes: []byte("ERR no")}, "", ""},
		{":-7\r\n", integer(-7), "", ""},
		{"$0\r\n\r\n", bulk(""), "", ""},
		{"$4\r\na\r\nb\r\n", bulk("a\r\nb"), "", ""},
		{"$-1\r\n", Value{Kind: KindNull}, "", "_\r\n"},
		{"*-1\r\n", Value{Kind: KindNullArray}, "", "_\r\n"},
		{"*0\r\n", array(), "", ""},
		{"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", array(integer(1), array(bulk("x"))), "", ""},
		{"_\r\n", Value{Kind: KindNull}, "$-1\r\n", ""},
		{"#t\r\n", Value{Kind: KindBool, Int: 1}, ":1\r\n", ""},
		{"#f\r\n", Value{Kind: KindBool}, ":0\r\n", ""},
		{",1.5\r\n", Value{Kind: KindDouble, Float: 1.5}, "$3\r\n1.5\r\n", ""},
		{",-inf\r\n", Value{Kind: KindDouble, Float: math.Inf(-1)}, "$4\r\n-inf\r\n", ""},
		{"(123456789012345678901234567890\r\n", Value{Kind: KindBigNumber, Bytes: []byte("123456789012345678901234567890")},
			"$30\r\n123456789012345678901234567890\r\n", ""},
		{"!7\r\nERR a\nb\r\n", Value{Kind: KindBulkError, Bytes: []byte("ERR a\nb")}, "-ERR a b\r\n", ""},
		{"=6\r\ntxt:ab\r\n", Value{Kind: KindVerbatim, Format: "txt", Bytes: []byte("ab")}, "$2\r\nab\r\n", ""},
		{"%1\r\n+a\r\n:1\r\n", Value{Kind: KindMap, Elems: []Value{{Kind: KindSimple, Bytes: []byte("a")}, integer(1)}}, "*2\r\n+a\r\n:1\r\n", ""},
		{"~1\r\n:1\r\n", Value{Kind: KindSet, Elems: []Value{integer(1)}}, "*1\r\n:1\r\n", ""},
		{">1\r\n:1\r\n", Value{Kind: KindPush, Elems: []Value{integer(1)}}, "*1\r\n:1\r\n", ""},
	} {
		src := bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.in + c.in)))
		for range 2 {
			got, err := ReadReply(src, ReplyLimits{})
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q: got %+v, %v", c.in, got, err)
			}
		}
		if _, err := ReadReply(src, ReplyLimits{}); err != io.EOF { //nolint:errorlint // returned unwrapped
			t.Errorf("%q: ends with %v", c.in, err)
		}
		for proto, want := range map[int]string{2: c.resp2, 3: c.resp3} {
			if want == "" {
				want = c.in
			}
			w := Writer{Proto: proto}
			if c.want.AppendTo(&w); string(w.Bytes()) != want {
				t.Errorf("%q: for RESP%d %q, want %q", c.in, proto, w.Bytes(), want)
			}
		}
		for n := 1; n < len(c.in); n++ {
			if v, err := readReply(c.in[:n], ReplyLimits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: %+v, %v", c.in[:n], v, err)
			}
		}
	}
}

func TestReadBadReply(t *testing.T) {
	for _, in := range []string{
		"\r\n", "x\r\n", "N\r\n", "+a\n", ":x\r\n", ":\r\n", ":01\r\n", "$-2\r\n", "$x\r\n", "$1\r\nab\r\n", "$?\r\n",
		"*-2\r\n", "*x\r\n", "%-1\r\n", "~-1\r\n", "!-1\r\n", "_x\r\n", "#x\r\n", "#\r\n", ",x\r\n", ",0x\r\n", "(x\r\n", "(\r\n",
		"=3\r\ntxt\r\n", "=4\r\ntext\r\n", "*1\r\nx\r\n",
	} {
		var p ProtocolError
		if v, err := readReply(in, ReplyLimits{}); !errors.As(err, &p) {
			t.Errorf("%q: %+v, %v", in, v, err)
		}
	}
}

func TestReplyLimits(t *testing.T) {
	long := strings.Repeat("x", replyLineBytesMax)
	for _, c := range []struct {
		in     string
		limits ReplyLimits
		want   error
	}{
		{"$3\r\nabc\r\n", ReplyLimits{BulkBytesMax: 3}, nil},
		{"$4\r\nabcd\r\n", ReplyLimits{BulkBytesMax: 3}, errReplyTooBig},
		{"*2\r\n*1\r\n:1\r\n:2\r\n", ReplyLimits{ElementsMax: 3}, nil},
		{"*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n", ReplyLimits{ElementsMax: 3}, errReplyTooBig},
		{"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n", ReplyLimits{ElementsMax: 3}, errReplyTooBig},
		{"*9223372036854775807\r\n", ReplyLimits{}, errReplyTooBig},
		{"*1\r\n*1\r\n:1\r\n", ReplyLimits{DepthMax: 2}, nil},
		{"*1\r\n*1\r\n*0\r\n", ReplyLimits{DepthMax: 2}, errReplyTooDeep},
		{strings.Repeat("*1\r\n", 1_000_000), ReplyLimits{}, errReplyTooDeep},
		{"*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n", ReplyLimits{BytesMax: 14}, errReplyTooBig},
		{"+" + long[3:] + "\r\n", ReplyLimits{}, nil},
		{"+" + long, ReplyLimits{}, io.ErrUnexpectedEOF},
		{"+" + long + long, ReplyLimits{}, errReplyLineTooBig},
	} {
		if _, err := readReply(c.in, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%.30q with %+v: %v, want %v", c.in, c.limits, err, c.want)
		}
	}
	for _, claim := range []string{"$67108864\r\n", "*16777216\r\n", "*1\r\n$67108864\r\nsome"} {
		got := allocated(func() {
			if _, err := readReply(claim, ReplyLimits{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: %v", claim, err)
			}
		})
		if got > 256<<10 {
			t.Errorf("%q takes %d bytes", claim, got)
		}
	}
}

// FuzzReadReply: what is read is written in a form that is read as the same, and
// the RESP2 form can be read too.
func FuzzReadReply(f *testing.F) {
	f.Add([]byte("*3\r\n$3\r\nabc\r\n:1\r\n%1\r\n+a\r\n,1.5\r\n"))
	f.Add([]byte("~2\r\n#t\r\n=6\r\ntxt:ab\r\n"))
	f.Add([]byte(">2\r\n_\r\n!7\r\nERR a\nb\r\n"))
	f.Add([]byte("*2\r\n*-1\r\n(12345678901234567890\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		limits := ReplyLimits{BulkBytesMax: 1 << 20, ElementsMax: 1000, DepthMax: 10}
		v, err := ReadReply(bufio.NewReader(bytes.NewReader(stream)), limits)
		if err != nil {
			return
		}
		w := Writer{Proto: 3}
		v.AppendTo(&w)
		got, err := readReply(string(w.Bytes()), ReplyLimits{})
		if err != nil {
			t.Fatalf("%q is written as %q: %v", stream, w.Bytes(), err)
		}
		again := Writer{Proto: 3}
		if got.AppendTo(&again); !bytes.Equal(again.Bytes(), w.Bytes()) {
			t.Fatalf("%q is written as %q and then as %q", stream, w.Bytes(), again.Bytes())
		}
		old := Writer{Proto: 2}
		v.AppendTo(&old)
		if _, err := readReply(string(old.Bytes()), ReplyLimits{}); err != nil {
			t.Fatalf("%q is written for RESP2 as %q: %v", stream, old.Bytes(), err)
		}
	})
}

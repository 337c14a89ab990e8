package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// pieces is a stream that comes in the pieces that it is made of.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	for len(*p) > 0 && len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	(*p)[0] = (*p)[0][n:]
	return n, nil
}

// readAll reads all requests, releases batches as a server does, and returns the
// requests in quotes and the error that ends them.
func readAll(r *Reader) (commands []string, err error) {
	for {
		var batch [][][]byte
		for {
			var args [][]byte
			if args, err = r.ReadCommand(); err != nil {
				break
			}
			if batch = append(batch, args); !r.Buffered() {
				break
			}
		}
		for _, args := range batch {
			commands = append(commands, fmt.Sprintf("%q", args))
		}
		r.Release()
		if err != nil {
			return commands, err
		}
	}
}

func request(args ...string) string {
	var raw [][]byte
	for _, a := range args {
		raw = append(raw, []byte(a))
	}
	return string(AppendCommand(nil, raw...))
}

var streams = []struct {
	name   string
	stream string
	want   []string // as readAll returns them
	err    string   // "" is the end of the stream
}{
	{"nothing", "", nil, ""},
	{"one", "*1\r\n$4\r\nPING\r\n", []string{`["PING"]`}, ""},
	{"empty argument", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", []string{`["GET" ""]`}, ""},
	{"any byte", request("SET", "\r\n\x00\xff", "$1\r\n"), []string{`["SET" "\r\n\x00\xff" "$1\r\n"]`}, ""},
	{"two", request("GET", "a") + request("GET", "b"), []string{`["GET" "a"]`, `["GET" "b"]`}, ""},
	{"empty ones are skipped", "*0\r\n*-1\r\n\r\n  \r\n\n" + request("GET", "a") + "*0\r\n", []string{`["GET" "a"]`}, ""},
	{"inline", "SET  a\tb \r\nget a\n", []string{`["SET" "a" "b"]`, `["get" "a"]`}, ""},
	{"inline after other", request("GET", "a") + "PING\r\n" + request("GET", "b"), []string{`["GET" "a"]`, `["PING"]`, `["GET" "b"]`}, ""},
	{"double quotes", `set "a b" "\x41\n\r\t\b\a\\\"\q\xzz" ""` + "\r\n", []string{`["set" "a b" "A\n\r\t\b\a\\\"qxzz" ""]`}, ""},
	{"single quotes", `set 'a "b' 'it\'s\n' ''` + "\r\n", []string{`["set" "a \"b" "it's\\n" ""]`}, ""},
	{"quote within a word", `a"b c" d'e'` + "\r\n", []string{`["ab c" "de"]`}, ""},
	{"NUL in a word", "get a\x00b c\r\n", []string{`["get" "a\x00b" "c"]`}, ""},
	{"any line end of an argument", "*2\r\n$3\r\nGETxy$1\r\naXY", []string{`["GET" "a"]`}, ""},

	{"ends in a count", "*1", nil, "unexpected EOF"},
	{"ends in a line end", "*1\r", nil, "unexpected EOF"},
	{"ends before an argument", request("GET", "a") + "*1\r\n", []string{`["GET" "a"]`}, "unexpected EOF"},
	{"ends in an argument", "*1\r\n$4\r\nPIN", nil, "unexpected EOF"},
	{"ends in a line", "PING", nil, "unexpected EOF"},
	{"count too large", "*1048577\r\n", nil, "Protocol error: invalid multibulk length"},
	{"count no int64", "*20000000000000000000\r\n", nil, "Protocol error: invalid multibulk length"},
	{"count no number", "*x\r\n", nil, "Protocol error: invalid multibulk length"},
	{"count with zeros", "*01\r\n", nil, "Protocol error: invalid multibulk length"},
	{"no count", "*\r\n", nil, "Protocol error: invalid multibulk length"},
	{"length too large", "*1\r\n$512000000\r\n", nil, "Protocol error: invalid bulk length"},
	{"length negative", "*1\r\n$-1\r\n", nil, "Protocol error: invalid bulk length"},
	{"length no number", "*1\r\n$blabla\r\n", nil, "Protocol error: invalid bulk length"},
	{"no bulk", "*1\r\nfoo\r\n", nil, "Protocol error: expected '$', got 'f'"},
	{"no bulk but a high byte", "*1\r\n\xff\r\n", nil, "Protocol error: expected '$', got '\xff'"},
	{"an empty line", "*1\r\n\r\n", nil, "Protocol error: expected '$', got '\r'"},
	{"payload too long", "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", nil, "Protocol error: expected '$', got 'f'"},
	{"open double quote", `set """test-key""" x` + "\r\n", nil, "Protocol error: unbalanced quotes in request"},
	{"open single quote", `set 'x` + "\r\n", nil, "Protocol error: unbalanced quotes in request"},
	{"word after a quote", `set "x"y` + "\r\n", nil, "Protocol error: unbalanced quotes in request"},
	{"ends in an escape", `set "\` + "\r\n", nil, "Protocol error: unbalanced quotes in request"},
	{"good ones before a bad one", request("GET", "a") + "*x\r\n", []string{`["GET" "a"]`}, "Protocol error: invalid multibulk length"},
}

func checkRead(t *testing.T, r *Reader, want []string, wantErr string) {
	t.Helper()
	got, err := readAll(r)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if wantErr == "" && err != io.EOF || wantErr != "" && err.Error() != wantErr { //nolint:errorlint // returned unwrapped
		t.Errorf("ends with %q, want %q", err, wantErr)
	}
	if again, err2 := r.ReadCommand(); again != nil || !errors.Is(err2, err) {
		t.Errorf("then %q, %v; want %v again", again, err2, err)
	}
}

func TestReadCommand(t *testing.T) {
	for _, c := range streams {
		t.Run(c.name, func(t *testing.T) {
			checkRead(t, NewReader(strings.NewReader(c.stream), Limits{}), c.want, c.err)
			checkRead(t, NewReader(iotest.OneByteReader(strings.NewReader(c.stream)), Limits{}), c.want, c.err)
			for i := range c.stream {
				for j := i; j < len(c.stream); j++ {
					p := pieces{[]byte(c.stream[:i]), []byte(c.stream[i:j]), []byte(c.stream[j:])}
					checkRead(t, NewReader(&p, Limits{}), c.want, c.err)
				}
			}
		})
	}
}

// TestLongRequests has requests of all sizes around those of the buffer, in pieces
// of many sizes.
func TestLongRequests(t *testing.T) {
	var stream []byte
	var want []string
	add := func(args ...[]byte) {
		stream = AppendCommand(stream, args...)
		want = append(want, fmt.Sprintf("%q", args))
	}
	for _, n := range []int{1, 4000, chunkBytesMin, 10_000, largeBulkBytes - 1, largeBulkBytes, largeBulkBytes + 1,
		chunkBytesMax, growthFirstBytes - 2, 200_000, 1 << 20} {
		value := bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
		add([]byte("SET"), []byte("key"), value)
		add([]byte("GET"), []byte("key"))
		add([]byte("MSET"), []byte("a"), value, []byte("b"), value, []byte("c"), []byte("d"))
	}
	many := [][]byte{[]byte("DEL")}
	for i := range 20_000 {
		many = append(many, fmt.Appendf(nil, "key:%d", i))
	}
	add(many...)
	add([]byte("PING"))
	for _, size := range []int{1, 7, 1000, chunkBytesMin, 65_537, len(stream)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := pieces(slices.Collect(slices.Chunk(stream, size)))
			checkRead(t, NewReader(&p, Limits{}), want, "")
		})
	}
}

// TestUnreleased reads all requests without a Release: all stay as they were read.
func TestUnreleased(t *testing.T) {
	var stream []byte
	var want []string
	for i := range 5000 {
		args := [][]byte{[]byte("SET"), fmt.Appendf(nil, "key:%d", i), bytes.Repeat([]byte{byte(i)}, i%300)}
		if i%1000 == 999 {
			args[2] = bytes.Repeat(args[2], 1000)
		}
		stream = AppendCommand(stream, args...)
		want = append(want, fmt.Sprintf("%q", args))
	}
	p := pieces(slices.Collect(slices.Chunk(stream, 777)))
	r := NewReader(&p, Limits{})
	var all [][][]byte
	for range want {
		args, err := r.ReadCommand()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, args)
		r.Buffered()
	}
	for i, args := range all {
		if got := fmt.Sprintf("%q", args); got != want[i] {
			t.Fatalf("request %d became %.100s, was %.100s", i, got, want[i])
		}
	}
}

func TestBuffered(t *testing.T) {
	p := pieces{[]byte(request("GET", "a") + request("GET", "b") + "*1\r\n$4\r\nPI"), []byte("NG\r\n*x\r\n")}
	r := NewReader(&p, Limits{})
	if r.Buffered() {
		t.Error("something is buffered before anything came")
	}
	for i, want := range []struct {
		args     string
		buffered bool
	}{{`["GET" "a"]`, true}, {`["GET" "b"]`, false}, {`["PING"]`, true}} {
		args, err := r.ReadCommand()
		if got := fmt.Sprintf("%q", args); err != nil || got != want.args {
			t.Fatalf("request %d: %v, %v", i, got, err)
		}
		if got := r.Buffered(); got != want.buffered {
			t.Errorf("after request %d: buffered %v", i, got)
		}
		r.Release()
		if got := r.Buffered(); got != want.buffered {
			t.Errorf("after request %d is released: buffered %v", i, got)
		}
	}
	if _, err := r.ReadCommand(); !errors.Is(err, errCount) {
		t.Errorf("ends with %v", err)
	}
}

func TestRequestLimits(t *testing.T) {
	long := strings.Repeat("x", DefaultInlineBytesMax)
	for _, c := range []struct {
		name   string
		limits Limits
		stream string
		want   int // requests
		err    string
	}{
		{"inline request", Limits{}, long[5:] + " b\r\n", 1, ""},
		{"inline request too big", Limits{}, long + "x", 0, "Protocol error: too big inline request"},
		{"count too big", Limits{}, "*" + long, 0, "Protocol error: too big mbulk count string"},
		{"length too big", Limits{}, "*1\r\n$" + long, 0, "Protocol error: too big bulk count string"},
		{"bulk", Limits{BulkBytesMax: 3}, request("abc"), 1, ""},
		{"bulk too big", Limits{BulkBytesMax: 3}, request("abcd"), 0, "Protocol error: invalid bulk length"},
		{"args", Limits{ArgsMax: 2}, request("a", "b"), 1, ""},
		{"too many args", Limits{ArgsMax: 2}, request("a", "b", "c"), 0, "Protocol error: invalid multibulk length"},
		{"request", Limits{RequestBytesMax: 6}, request("abc", "def") + request("abc", "def"), 2, ""},
		{"request too big", Limits{RequestBytesMax: 6}, request("abc", "defg"), 0, "Protocol error: too big request"},
		{"login", Limits{Unauthenticated: true}, request(strings.Split("abcdefghij", "")...) + request(long[:16384]), 2, ""},
		{"args of a stranger", Limits{Unauthenticated: true}, request(strings.Split("abcdefghijk", "")...), 0, "Protocol error: unauthenticated multibulk length"},
		{"bulk of a stranger", Limits{Unauthenticated: true}, request(long[:16385]), 0, "Protocol error: unauthenticated bulk length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{len(c.stream), 1000} {
				p := pieces(slices.Collect(slices.Chunk([]byte(c.stream), size)))
				got, err := readAll(NewReader(&p, c.limits))
				if len(got) != c.want || c.err == "" && err != io.EOF || c.err != "" && err.Error() != c.err { //nolint:errorlint // returned unwrapped
					t.Errorf("%d requests, then %v", len(got), err)
				}
			}
		})
	}
}

// TestSetLimits: a client that logs in may send at once what needs its rights.
func TestSetLimits(t *testing.T) {
	login, much := request("AUTH", "x"), request("SET", "k", strings.Repeat("v", 20_000))
	r := NewReader(strings.NewReader(login+much), Limits{Unauthenticated: true})
	if _, err := r.ReadCommand(); err != nil {
		t.Fatal(err)
	}
	r.SetLimits(Limits{})
	if args, err := r.ReadCommand(); err != nil || len(args) != 3 {
		t.Errorf("%d arguments, %v", len(args), err)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestClaims: a length without bytes costs nothing.
func TestClaims(t *testing.T) {
	const few = 256 << 10
	for _, stream := range []string{
		"*1048576\r\n",
		"*2\r\n$3\r\nSET\r\n$67108864\r\n",
		"*2\r\n$3\r\nSET\r\n$67108864\r\nsome",
	} {
		got := allocated(func() {
			if _, err := NewReader(strings.NewReader(stream), Limits{}).ReadCommand(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: %v", stream, err)
			}
		})
		if got > few {
			t.Errorf("%q takes %d bytes", stream, got)
		}
	}
}

// endless is a stream that repeats itself.
type endless struct {
	batch []byte
	at    int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.batch[e.at:])
	e.at = (e.at + n) % len(e.batch)
	return n, nil
}

// pipeline is a batch of n SETs and n GETs.
func pipeline(n int) []byte {
	var batch []byte
	value := bytes.Repeat([]byte("v"), 100)
	for i := range n {
		key := fmt.Appendf(nil, "key:%012d", i)
		batch = AppendCommand(batch, []byte("SET"), key, value)
		batch = AppendCommand(batch, []byte("GET"), key)
	}
	return batch
}

// readBatch reads and releases one batch and returns how many requests it had.
func readBatch(tb testing.TB, r *Reader) (n int) {
	for n == 0 || r.Buffered() {
		if _, err := r.ReadCommand(); err != nil {
			tb.Fatal(err)
		}
		n++
	}
	r.Release()
	return n
}

func TestReadAllocates(t *testing.T) {
	for _, n := range []int{1, 8, 1000} {
		r := NewReader(&endless{batch: pipeline(n)}, Limits{})
		for range 20 {
			readBatch(t, r)
		}
		if got := testing.AllocsPerRun(100, func() { readBatch(t, r) }); got != 0 {
			t.Errorf("batches of %d: %v allocations", 2*n, got)
		}
	}
}

// TestReaderShrinks: a connection that has sent much once, and little since, costs
// as little as others.
func TestReaderShrinks(t *testing.T) {
	for _, burst := range []string{string(pipeline(5000)), strings.Repeat("x", DefaultInlineBytesMax) + "\n"} {
		small := request("PING")
		r := NewReader(strings.NewReader(burst+strings.Repeat(small, 100_000)), Limits{})
		for len(r.buf) < chunkBytesMax {
			readBatch(t, r)
		}
		r.src = iotest.OneByteReader(r.src)
		for range 100_000 / 2 {
			readBatch(t, r)
		}
		if len(r.buf) > chunkBytesMin {
			t.Errorf("keeps %d bytes", len(r.buf))
		}
	}
}

func BenchmarkReadCommand(b *testing.B) {
	for _, n := range []int{1, 8, 100} {
		b.Run(fmt.Sprint(2*n), func(b *testing.B) {
			batch := pipeline(n)
			r := NewReader(&endless{batch: batch}, Limits{})
			b.SetBytes(int64(len(batch) / (2 * n)))
			b.ReportAllocs()
			for done := 0; done < b.N; {
				done += readBatch(b, r)
			}
		})
	}
}

func BenchmarkReadLarge(b *testing.B) {
	for _, n := range []int{16 << 10, 100 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewReader(&endless{batch: AppendCommand(nil, []byte("SET"), []byte("k"), make([]byte, n))}, Limits{})
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for done := 0; done < b.N; {
				done += readBatch(b, r)
			}
		})
	}
}

// FuzzReadCommand: however requests come, the same are read; and what is written is
// read as it was.
func FuzzReadCommand(f *testing.F) {
	for _, c := range streams {
		f.Add([]byte(c.stream), uint16(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		limits := Limits{InlineBytesMax: 1 << 10, BulkBytesMax: 1 << 20, ArgsMax: 100}
		whole, wholeErr := readAll(NewReader(bytes.NewReader(stream), limits))
		p := pieces(slices.Collect(slices.Chunk(stream, int(size)+1)))
		r := NewReader(&p, limits)
		var again []byte
		var n int
		for {
			args, err := r.ReadCommand()
			if err != nil {
				if err.Error() != wholeErr.Error() || n != len(whole) {
					t.Fatalf("in pieces %d requests, then %v; at once %d, then %v", n, err, len(whole), wholeErr)
				}
				break
			}
			if got := fmt.Sprintf("%q", args); got != whole[n] {
				t.Fatalf("request %d: in pieces %s, at once %s", n, got, whole[n])
			}
			again = AppendCommand(again, args...)
			n++
		}
		got, err := readAll(NewReader(bytes.NewReader(again), Limits{}))
		if err != io.EOF || !slices.Equal(got, whole) { //nolint:errorlint // returned unwrapped
			t.Fatalf("%v was written and is read as %v, %v", whole, got, err)
		}
	})
}

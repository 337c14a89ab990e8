package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

var testHeader = Header{
	Kind:      BackupStream,
	Database:  DatabaseID{1, 2, 3, 0xff},
	Timestamp: 1<<60 + 12345,
}

var testTables = []Table{{ID: 7, Kind: 1, Name: "orders"}, {ID: 1, Kind: 0, Name: "müller's \"things\"\n"}, {ID: 1<<32 - 1, Kind: 255, Name: strings.Repeat("n", TableNameBytesMax)}}

// record is an entry of a test's data.
type testEntry struct {
	table      TableID
	key, value []byte
}

// nastyEntries returns entries with lengths around every boundary of the
// format.
func nastyEntries(rng *rand.Rand) []testEntry {
	keys := []int{0, 1, 127, 128, 4095, KeyBytesMax}
	values := []int{0, 1, 127, 128, 16383, 16384}
	largeKeys := []int{0, 127, KeyBytesMax}
	largeValues := []int{BlockTargetBytes - 9, BlockTargetBytes - 8, BlockTargetBytes - 7, BlockTargetBytes - 5, BlockTargetBytes - 4,
		BlockTargetBytes, BlockTargetBytes + 1, 1 << 20}
	var entries []testEntry
	cross := func(id TableID, keys, values []int) {
		for _, k := range keys {
			for _, v := range values {
				entries = append(entries, testEntry{id, randomBytes(rng, k), randomBytes(rng, v)})
			}
		}
	}
	cross(1, largeKeys, largeValues)
	for _, id := range []TableID{1, 1<<32 - 1, 7, 1} {
		cross(id, keys, values)
		for range 3000 {
			entries = append(entries, testEntry{id, randomBytes(rng, rng.IntN(40)), randomBytes(rng, rng.IntN(300))})
		}
	}
	return entries
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b[:n]
}

// writeStream writes entries as a stream.
func writeStream(t testing.TB, out io.Writer, h Header, tables []Table, entries []testEntry) Summary {
	t.Helper()
	w, err := NewWriter(out, h, tables, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.BeginTable(e.table); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(e.key, e.value); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// readStream reads a whole stream.
func readStream(in io.Reader) (tables []Table, entries []testEntry, sum Summary, err error) {
	r, err := NewReader(in, "test")
	if err != nil {
		return nil, nil, Summary{}, err
	}
	for r.Next() {
		e := r.Entries()
		before := len(entries)
		for e.Next() {
			entries = append(entries, testEntry{r.Table(), bytes.Clone(e.Key()), bytes.Clone(e.Value())})
		}
		if got := len(entries) - before; e.Err() == nil && got != e.Count() {
			return nil, nil, Summary{}, fmt.Errorf("%d entries in a block of %d", got, e.Count())
		}
		if p := r.Progress(); p.Entries < int64(len(entries)) {
			return nil, nil, Summary{}, fmt.Errorf("progress %+v after %d entries", p, len(entries))
		}
	}
	return r.Tables(), entries, r.Summary(), r.Err()
}

func equalEntries(a, b testEntry) bool {
	return a.table == b.table && bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value)
}

func TestStreamRoundTrip(t *testing.T) {
	want := nastyEntries(rand.New(rand.NewPCG(1, 2)))
	var buf bytes.Buffer
	written := writeStream(t, &buf, testHeader, testTables, want)
	if written.Bytes != int64(buf.Len()) || written.Entries != int64(len(want)) {
		t.Fatalf("summary %+v of %d bytes and %d entries", written, buf.Len(), len(want))
	}
	// Whatever follows the footer is left in the reader.
	buf.WriteString("behind")
	readers := map[string]func(io.Reader) io.Reader{
		"whole":      func(r io.Reader) io.Reader { return r },
		"halves":     iotest.HalfReader,
		"data + err": iotest.DataErrReader,
	}
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			src := bytes.NewReader(buf.Bytes())
			tables, got, sum, err := readStream(wrap(src))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(tables, testTables) {
				t.Errorf("tables %v, want %v", tables, testTables)
			}
			if sum != written {
				t.Errorf("summary %+v, want %+v", sum, written)
			}
			if !slices.EqualFunc(got, want, equalEntries) {
				t.Errorf("%d entries are not the %d that were written", len(got), len(want))
			}
			if rest, _ := io.ReadAll(src); name == "whole" && string(rest) != "behind" {
				t.Errorf("reader left %q behind the footer", rest)
			}
		})
	}
}

func TestLargestValue(t *testing.T) {
	value := make([]byte, ValueBytesMax)
	for i := 0; i < len(value); i += 4093 {
		value[i] = byte(i)
	}
	key := bytes.Repeat([]byte("k"), KeyBytesMax)
	want := []testEntry{{7, []byte("before"), nil}, {7, key, value}, {7, nil, []byte("after")}}
	var buf bytes.Buffer
	buf.Grow(ValueBytesMax + BlockTargetBytes)
	writeStream(t, &buf, testHeader, testTables, want)
	_, got, _, err := readStream(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, equalEntries) {
		t.Error("entries differ")
	}
}

func TestEmptyStream(t *testing.T) {
	for _, tables := range [][]Table{nil, testTables} {
		var buf bytes.Buffer
		writeStream(t, &buf, testHeader, tables, nil)
		gotTables, got, _, err := readStream(&buf)
		if err != nil || len(got) != 0 || !slices.Equal(gotTables, tables) {
			t.Errorf("read tables %v, %d entries, error %v", gotTables, len(got), err)
		}
	}
}

// A directory may be larger than a block.
func TestManyTables(t *testing.T) {
	var tables []Table
	for i := range 5000 {
		tables = append(tables, Table{ID: TableID(i * 3), Name: fmt.Sprintf("%05d%s", i, strings.Repeat("x", 200))})
	}
	var buf bytes.Buffer
	writeStream(t, &buf, testHeader, tables, []testEntry{{3, []byte("k"), []byte("v")}})
	got, entries, _, err := readStream(&buf)
	if err != nil || len(entries) != 1 || !slices.Equal(got, tables) {
		t.Fatalf("read %d tables and %d entries, error %v", len(got), len(entries), err)
	}
}

func TestWriterRefuses(t *testing.T) {
	newWriter := func(t *testing.T) *Writer {
		w, err := NewWriter(io.Discard, testHeader, testTables, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Run("entry without table", func(t *testing.T) {
		if err := newWriter(t).Add(nil, nil); err == nil {
			t.Error("no error")
		}
	})
	t.Run("unknown table", func(t *testing.T) {
		if err := newWriter(t).BeginTable(2); err == nil {
			t.Error("no error")
		}
	})
	t.Run("long key and value", func(t *testing.T) {
		w := newWriter(t)
		if err := w.BeginTable(7); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(make([]byte, KeyBytesMax+1), nil); err == nil {
			t.Error("long key is taken")
		}
		if err := w.Add(nil, make([]byte, ValueBytesMax+1)); err == nil {
			t.Error("long value is taken")
		}
		if err := w.Add([]byte("k"), nil); err != nil {
			t.Errorf("refusals are not to stop the writer: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		w := newWriter(t)
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w.BeginTable(7) == nil || w.Add(nil, nil) == nil {
			t.Error("closed writer takes entries")
		}
		if _, err := w.Close(); err == nil {
			t.Error("second Close succeeds")
		}
	})
	for name, tables := range map[string][]Table{
		"id twice":     {{ID: 1, Name: "a"}, {ID: 1, Name: "b"}},
		"name twice":   {{ID: 1, Name: "a"}, {ID: 2, Name: "a"}},
		"no name":      {{ID: 1}},
		"long name":    {{ID: 1, Name: strings.Repeat("x", TableNameBytesMax+1)}},
		"not UTF-8":    {{ID: 1, Name: "\xff"}},
		"too many":     make([]Table, TablesMax+1),
		"kind of part": nil,
	} {
		t.Run(name, func(t *testing.T) {
			h := testHeader
			if tables == nil {
				h.Part = 1 // which a backup has not
			}
			if _, err := NewWriter(io.Discard, h, tables, nil); err == nil {
				t.Error("no error")
			}
		})
	}
}

// failingWriter fails at its nth call.
type failingWriter struct {
	calls, failAt int
	short         bool
}

var errTest = errors.New("test: no more")

func (f *failingWriter) Write(b []byte) (int, error) {
	f.calls++
	if f.calls < f.failAt {
		return len(b), nil
	}
	if f.short {
		return len(b) / 2, nil
	}
	return 0, errTest
}

func TestWriterReportsWriteErrors(t *testing.T) {
	entries := nastyEntries(rand.New(rand.NewPCG(3, 4)))[:300]
	counter := failingWriter{failAt: 1 << 30}
	writeStream(t, &counter, testHeader, testTables, entries)
	for failAt := 1; failAt <= counter.calls; failAt++ {
		for _, short := range []bool{false, true} {
			want := errTest
			if short {
				want = io.ErrShortWrite
			}
			err := func() error {
				w, err := NewWriter(&failingWriter{failAt: failAt, short: short}, testHeader, testTables, nil)
				if err != nil {
					return err
				}
				for _, e := range entries {
					if err = w.BeginTable(e.table); err == nil {
						err = w.Add(e.key, e.value)
					}
					if err != nil {
						if _, closeErr := w.Close(); closeErr == nil {
							return errors.New("Close succeeds after a failed write")
						}
						return err
					}
				}
				_, err = w.Close()
				return err
			}()
			if !errors.Is(err, want) {
				t.Fatalf("write %d failed (short: %v), error is %v", failAt, short, err)
			}
		}
	}
}

func TestAfterBlock(t *testing.T) {
	var bytesSeen, entriesSeen int64
	calls := 0
	w, err := NewWriter(io.Discard, testHeader, testTables, func(bytes, entries int64) error {
		calls++
		bytesSeen += bytes
		entriesSeen += entries
		if calls == 4 {
			return errTest
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.BeginTable(7); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1000)
	for err == nil {
		err = w.Add([]byte("key"), value)
	}
	if !errors.Is(err, errTest) || calls != 4 {
		t.Fatalf("after %d calls: %v", calls, err)
	}
	p := w.Progress()
	// The directory's block counts as bytes, but not as a block of entries.
	if p.Blocks != 3 || p.Bytes != bytesSeen+headerBytes || p.Entries != entriesSeen-int64(len(testTables)) {
		t.Errorf("progress %+v, callbacks saw %d bytes and %d entries", p, bytesSeen, entriesSeen)
	}
	if err := w.Add(nil, nil); !errors.Is(err, errTest) {
		t.Errorf("writer goes on: %v", err)
	}
}

// smallStream is a stream of a few blocks of every type.
func smallStream(t testing.TB) []byte {
	var buf bytes.Buffer
	writeStream(t, &buf, testHeader, testTables[:2], []testEntry{
		{7, nil, nil}, {7, []byte("k"), bytes.Repeat([]byte("v"), 130)}, {1, bytes.Repeat([]byte("k"), 200), []byte("x")}, {7, []byte("z"), nil},
	})
	return buf.Bytes()
}

func TestTruncationIsNoticed(t *testing.T) {
	whole := smallStream(t)
	for n := range whole {
		_, _, _, err := readStream(bytes.NewReader(whole[:n]))
		var corrupt *dberr.CorruptionError
		if !errors.As(err, &corrupt) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(whole), err)
		}
		if corrupt.File != "test" || corrupt.Offset > int64(n) {
			t.Errorf("cut after %d bytes: error names %s at %d", n, corrupt.File, corrupt.Offset)
		}
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	whole := smallStream(t)
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			_, _, _, err := readStream(bytes.NewReader(b))
			var corrupt *dberr.CorruptionError
			if !errors.As(err, &corrupt) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			if corrupt.Offset > int64(i) {
				t.Errorf("byte %d is damaged, error names offset %d", i, corrupt.Offset)
			}
		}
	}
}

// streamBlocks returns where the blocks of a stream begin and, last, where it
// ends.
func streamBlocks(t testing.TB, stream []byte) []int64 {
	s, err := openScanner("test", bytes.NewReader(stream), int64(len(stream)))
	if err != nil {
		t.Fatal(err)
	}
	var starts []int64
	for {
		b, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		starts = append(starts, b.offset)
		if b.kind == footerBlock {
			return append(starts, int64(len(stream)))
		}
	}
}

func TestExpect(t *testing.T) {
	r, err := NewReader(bytes.NewReader(smallStream(t)), "test")
	if err != nil {
		t.Fatal(err)
	}
	if r.Header() != testHeader {
		t.Errorf("header %+v, want %+v", r.Header(), testHeader)
	}
	if err := r.Expect(BackupStream, DatabaseID{}); err != nil {
		t.Error(err)
	}
	if err := r.Expect(BackupStream, testHeader.Database); err != nil {
		t.Error(err)
	}
	if err := r.Expect(BackupStream, DatabaseID{9}); !errors.Is(err, ErrForeignDatabase) || !strings.Contains(err.Error(), testHeader.Database.String()) {
		t.Errorf("foreign database: %v", err)
	}
	if err := r.Expect(PartStream, DatabaseID{}); !errors.Is(err, dberr.ErrCorrupt) {
		t.Errorf("another kind: %v", err)
	}
}

// A read error is not corruption, and is kept.
func TestReadErrors(t *testing.T) {
	whole := smallStream(t)
	for n := range whole {
		_, _, _, err := readStream(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(errTest)))
		if !errors.Is(err, errTest) || errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("read error after %d bytes: %v", n, err)
		}
	}
}

func TestChecksumDependsOnContent(t *testing.T) {
	seen := map[uint32]int{}
	for i := range 100 {
		value := make([]byte, 100)
		value[i] = 1
		sum := writeStream(t, io.Discard, testHeader, testTables, []testEntry{{7, []byte("k"), value}})
		if j, twice := seen[sum.Checksum]; twice {
			t.Fatalf("streams %d and %d have the same checksum", i, j)
		}
		seen[sum.Checksum] = i
	}
	h := testHeader
	h.Timestamp = hlc.Timestamp(1)
	sum := writeStream(t, io.Discard, h, testTables, []testEntry{{7, []byte("k"), make([]byte, 100)}})
	if _, twice := seen[sum.Checksum]; twice {
		t.Error("the header is not in the checksum")
	}
}

func TestAddAndIterationDoNotAllocate(t *testing.T) {
	var buf bytes.Buffer
	const blocks = 20
	buf.Grow(blocks * 2 * BlockTargetBytes)
	w, err := NewWriter(&buf, testHeader, testTables, func(bytes, entries int64) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	key, value := make([]byte, 8), make([]byte, 100)
	large := make([]byte, 300<<10)
	if got := testing.AllocsPerRun(5, func() {
		for _, id := range []TableID{1, 7} {
			if err := w.BeginTable(id); err != nil {
				t.Fatal(err)
			}
			for range BlockTargetBytes / 100 {
				if err := w.Add(key, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Add(key, large); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("writing allocates %v times", got)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&buf, "test")
	if err != nil {
		t.Fatal(err)
	}
	// The first large block makes the buffer grow.
	for n := 0; n < 4 && r.Next(); n++ {
	}
	seen := 0
	if got := testing.AllocsPerRun(5, func() {
		if !r.Next() {
			t.Fatal(r.Err())
		}
		for e := r.Entries(); e.Next(); {
			seen += len(e.Key()) + len(e.Value())
		}
	}); got != 0 || seen == 0 {
		t.Errorf("reading %d bytes allocates %v times", seen, got)
	}
}

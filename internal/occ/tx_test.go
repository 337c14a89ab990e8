package occ

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

func TestReadsOwnWrites(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		e := newEngine(t, 64<<20, 1)
		table := newTable(t, e, 1, ordered)
		put(t, e, table, "a", "old")
		tx := begin(t, e)
		check := func(key, want string) {
			t.Helper()
			v, err := tx.Get(table, []byte(key))
			if want == "" {
				if !errors.Is(err, ErrNotFound) {
					t.Fatalf("Get(%q) = %q, %v, want not found", key, v, err)
				}
				return
			}
			if err != nil || string(v) != want {
				t.Fatalf("Get(%q) = %q, %v, want %q", key, v, err, want)
			}
		}
		check("a", "old")
		check("b", "")
		must(t, tx.Put(table, []byte("a"), []byte("new")))
		must(t, tx.Insert(table, []byte("b"), []byte("inserted")))
		check("a", "new")
		check("b", "inserted")
		if err := tx.Insert(table, []byte("b"), nil); !errors.Is(err, ErrExists) {
			t.Fatalf("second insert: %v", err)
		}
		must(t, tx.Delete(table, []byte("a")))
		check("a", "")
		must(t, tx.Put(table, []byte("a"), []byte("again")))
		check("a", "again")
		if _, err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		tx.End()
		tx = begin(t, e)
		check("a", "again")
		check("b", "inserted")
		tx.End()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOracle runs random transactions one at a time against a map.
func TestOracle(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { runOracle(t, seed) })
	}
}

func runOracle(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	e := newEngine(t, 128<<20, 1+int(seed%3))
	table := newTable(t, e, 1, true)
	hashed := newTable(t, e, 2, false)
	model := map[string]string{}
	keys := 1 + rng.IntN(300)
	for step := range 1500 {
		tx := begin(t, e)
		mine := map[string]string{}
		for k, v := range model {
			mine[k] = v
		}
		for range 1 + rng.IntN(12) {
			key := randomKey(rng, keys)
			switch rng.IntN(8) {
			case 0, 1:
				checkGet(t, tx, table, mine, key)
				checkGet(t, tx, hashed, mine, key)
			case 2, 3:
				v := randomValue(rng)
				must(t, tx.Put(table, []byte(key), []byte(v)))
				must(t, tx.Put(hashed, []byte(key), []byte(v)))
				mine[key] = v
			case 4:
				must(t, tx.Delete(table, []byte(key)))
				must(t, tx.Delete(hashed, []byte(key)))
				delete(mine, key)
			case 5:
				err := tx.Insert(table, []byte(key), []byte("inserted"))
				herr := tx.Insert(hashed, []byte(key), []byte("inserted"))
				_, exists := mine[key]
				if errors.Is(err, ErrExists) != exists || errors.Is(herr, ErrExists) != exists {
					t.Fatalf("insert of %q: %v, %v; exists is %v", key, err, herr, exists)
				}
				if !exists {
					mine[key] = "inserted"
				}
			case 6:
				checkScan(t, tx, table, mine, rng, keys)
			case 7:
				if rng.IntN(4) == 0 {
					from, to := randomKey(rng, keys), randomKey(rng, keys)
					n, err := tx.DeleteRange(table, []byte(from), []byte(to))
					must(t, err)
					for k := range mine {
						if k >= from && k < to {
							must(t, tx.Delete(hashed, []byte(k)))
							delete(mine, k)
							n--
						}
					}
					if n != 0 {
						t.Fatalf("DeleteRange counted %d too many", n)
					}
				} else {
					checkGetMany(t, tx, table, mine, rng, keys)
				}
			}
		}
		if rng.IntN(5) == 0 {
			tx.End() // rolled back
		} else {
			if _, err := tx.Commit(); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			tx.End()
			model = mine
		}
		if rng.IntN(16) == 0 {
			e.Maintain()
		}
	}
	if n := e.Stats().Records; n != int64(2*len(model)) {
		t.Fatalf("Records = %d, want %d", n, 2*len(model))
	}
	if err := table.tree.Check(); err != nil {
		t.Fatal(err)
	}
	if err := hashed.hash.Check(); err != nil {
		t.Fatal(err)
	}
}

func randomKey(rng *rand.Rand, keys int) string {
	n := rng.IntN(keys)
	switch n % 7 {
	case 0:
		return strings.Repeat("k", n%40)
	case 1:
		return "prefix-shared-by-many-keys-" + fmt.Sprint(n)
	case 2:
		return string([]byte{byte(n), 0, 0}[:1+n%3])
	}
	return fmt.Sprintf("%08d", n)
}

func randomValue(rng *rand.Rand) string {
	n := rng.IntN(200)
	if rng.IntN(10) == 0 {
		n = record.InlineMax - 4 + rng.IntN(2000)
	}
	return strings.Repeat(string(rune('a'+rng.IntN(26))), n)
}

func checkGet(t *testing.T, tx *Tx, table *Table, mine map[string]string, key string) {
	t.Helper()
	v, err := tx.Get(table, []byte(key))
	want, exists := mine[key]
	if exists != (err == nil) || err != nil && !errors.Is(err, ErrNotFound) || exists && string(v) != want {
		t.Fatalf("Get(%q) = %.20q, %v; want %.20q, %v", key, v, err, want, exists)
	}
}

func checkGetMany(t *testing.T, tx *Tx, table *Table, mine map[string]string, rng *rand.Rand, keys int) {
	t.Helper()
	ks := make([][]byte, rng.IntN(20))
	for i := range ks {
		ks[i] = []byte(randomKey(rng, keys))
	}
	vs := make([][]byte, len(ks))
	must(t, tx.GetMany(table, ks, vs))
	for i, k := range ks {
		want, exists := mine[string(k)]
		if exists != (vs[i] != nil) || string(vs[i]) != want {
			t.Fatalf("GetMany: %q = %.20q, want %.20q, %v", k, vs[i], want, exists)
		}
	}
}

func checkScan(t *testing.T, tx *Tx, table *Table, mine map[string]string, rng *rand.Rand, keys int) {
	t.Helper()
	r := Range{From: []byte(randomKey(rng, keys)), To: []byte(randomKey(rng, keys)), Reverse: rng.IntN(2) == 0, Limit: rng.IntN(20)}
	if rng.IntN(3) == 0 {
		r.From = nil
	}
	if rng.IntN(3) == 0 {
		r.To = nil
	}
	if rng.IntN(2) == 0 {
		r.Limit = 0
	}
	var want []string
	for k := range mine {
		if k >= string(r.From) && (r.To == nil || k < string(r.To)) {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	if r.Reverse {
		slices.Reverse(want)
	}
	if r.Limit > 0 && len(want) > r.Limit {
		want = want[:r.Limit]
	}
	i := 0
	must(t, tx.Scan(table, r, func(k, v []byte) bool {
		if i >= len(want) || string(k) != want[i] || string(v) != mine[want[i]] {
			t.Fatalf("scan %+v: item %d is %q=%.20q, want %q of %d", r, i, k, v, want[min(i, len(want)-1):], len(want))
		}
		i++
		return true
	}))
	if i != len(want) {
		t.Fatalf("scan %+v shows %d keys, want %d", r, i, len(want))
	}
}

func TestScanSeesChangesMadeInItsLoop(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	for i := range 500 {
		put(t, e, table, fmt.Sprintf("%03d", i), "x")
	}
	tx := begin(t, e)
	defer tx.End()
	n := 0
	must(t, tx.Scan(table, Range{}, func(k, v []byte) bool {
		if string(v) != "x" {
			t.Fatalf("%s = %s", k, v)
		}
		next := fmt.Appendf(nil, "%03d", n+1)
		must(t, tx.Delete(table, next)) // every other key goes before it is reached
		must(t, tx.Put(table, bytes.Clone(k), []byte("y")))
		nested := 0
		must(t, tx.Scan(table, Range{From: next, Limit: 3}, func(_, _ []byte) bool { nested++; return true }))
		n += 2
		return true
	}))
	if n != 500 {
		t.Fatalf("n = %d", n)
	}
	count := 0
	must(t, tx.Scan(table, Range{Reverse: true}, func(_, v []byte) bool {
		if string(v) != "y" {
			t.Fatalf("%s", v)
		}
		count++
		return true
	}))
	if count != 250 {
		t.Fatalf("%d keys left, want 250", count)
	}
}

// A scan within a scan sorts later writes of the transaction in between those that
// the outer one is going through.
func TestScansWithinScansOverOwnWrites(t *testing.T) {
	for _, writes := range []int{20, 2 * shortRunMin} {
		for _, reverse := range []bool{false, true} {
			testScansWithinScans(t, writes, reverse)
		}
	}
}

func testScansWithinScans(t *testing.T, writes int, reverse bool) {
	e := newEngine(t, 64<<20, 1)
	table, other := newTable(t, e, 1, true), newTable(t, e, 2, true)
	before, after := newTable(t, e, 0, true), newTable(t, e, 3, true)
	tx := begin(t, e)
	defer tx.End()
	for i := range writes {
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d", 3*i), nil))
	}
	want, last := 0, 3*writes
	if reverse {
		want, last = 3*writes-3, -3
	}
	must(t, tx.Scan(table, Range{Reverse: reverse}, func(k, _ []byte) bool {
		if string(k) != fmt.Sprintf("%06d", want) {
			t.Errorf("%s, want %06d", k, want)
			return false
		}
		// Neither in the scan's range, nor seen by it.
		for _, u := range []*Table{before, other, after} {
			must(t, tx.Put(u, bytes.Clone(k), nil))
		}
		must(t, tx.Put(table, fmt.Appendf(nil, "%06dx", want), nil))
		must(t, tx.Scan(other, Range{Limit: 1}, func(_, _ []byte) bool { return true }))
		if want += 3; reverse {
			want -= 6
		}
		return true
	}))
	if want != last {
		t.Errorf("the scan ends before %d", want)
	}
}

func TestLimits(t *testing.T) {
	e := newEngine(t, 256<<20, 1)
	table := newTable(t, e, 1, true)
	tx := begin(t, e)
	defer tx.End()
	if err := tx.Put(table, make([]byte, KeyBytesMax+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if err := tx.Put(table, nil, make([]byte, ValueBytesMax+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("v"), ValueBytesMax)
	must(t, tx.Put(table, make([]byte, KeyBytesMax), big))
	must(t, tx.Put(table, nil, nil))
	// The log record of all that is as long as it may be, but for one write.
	size := tx.writes.bytes
	tx.writes.bytes = TxBytesMax - wal.TxHeaderBytes - wal.WriteBytes(3, 5)
	must(t, tx.Put(table, []byte("key"), []byte("value")))
	if err := tx.Delete(table, []byte("a")); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a record that is too long for the log: %v", err)
	}
	tx.writes.bytes += size - (TxBytesMax - wal.TxHeaderBytes - wal.WriteBytes(3, 5))
	if _, err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	tx.Restart()
	v, err := tx.Get(table, make([]byte, KeyBytesMax))
	if err != nil || !bytes.Equal(v, big) {
		t.Fatalf("%d bytes, %v", len(v), err)
	}
	if v, err = tx.Get(table, nil); err != nil || v == nil || len(v) != 0 {
		t.Fatalf("%q, %v", v, err)
	}
}

func TestReadOnlyTransactionsRefuseWrites(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	tx, err := e.BeginView(t.Context())
	must(t, err)
	defer tx.End()
	for name, err := range map[string]error{
		"put": tx.Put(table, nil, nil), "insert": tx.Insert(table, nil, nil), "delete": tx.Delete(table, nil),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package ycsb

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

// small is a workload with few records.
func small(m Mix) Config {
	c := For(m)
	c.Records = 3000
	return c
}

func TestMixes(t *testing.T) {
	hash := func(c Config) Config { c.Table = bench.Hashed; return c }
	zipf := func(c Config) Config { c.Distribution = Zipfian; return c }
	oneByOne := func(c Config) Config { c.OneByOne = true; return c }
	uniform := func(c Config) Config { c.Distribution, c.Keys, c.FieldBytes = Uniform, BinaryKeys, 77; return c }
	ahead := func(c Config) Config { c.Ahead = 3; return c }
	mild := func(c Config) Config { c.Theta = 0.5; return c }
	configs := []Config{
		small(A), small(B), small(C), small(D), small(E), small(F), small(PlusPlus),
		hash(small(A)), hash(small(D)), hash(small(PlusPlus)), zipf(small(PlusPlus)), oneByOne(hash(small(PlusPlus))), ahead(small(PlusPlus)),
		uniform(small(E)), uniform(small(F)), mild(small(A)), mild(small(D)),
	}
	if testing.Short() {
		configs = configs[:7] // each mix
	}
	for _, c := range configs {
		t.Run(fmt.Sprintf("%s,%s,%s,%v,%v,%d", c.Mix, c.Table, c.Distribution, c.OneByOne, c.Theta, c.Ahead), func(t *testing.T) {
			w, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			e := refengine.New(refengine.Options{AbortEvery: 9})
			r, err := bench.Measure(t.Context(), e, w, bench.Config{Sessions: 2, Duration: 300 * time.Millisecond}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Executed == 0 || r.Rollbacks != 0 {
				t.Errorf("%d executed, %d rolled back", r.Executed, r.Rollbacks)
			}
			want := float64(w.mix.first) / 100
			if got := float64(r.Kinds[0].Executed) / float64(r.Executed); math.Abs(got-want) > 0.05 {
				t.Errorf("%s is %.3f of the mix, not %.2f", r.Kinds[0].Name, got, want)
			}

			again, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Open(e); err != nil {
				t.Fatal(err)
			}
			if err := again.Check(t.Context(), e, 1); err != nil {
				t.Errorf("reopened: %v", err)
			}
		})
	}
}

// loaded returns a workload on a loaded engine and a session to damage it with.
func loaded(t *testing.T, c Config) (*Workload, *refengine.Engine, bench.Session) {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	e := refengine.New(refengine.Options{})
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	return w, e, s
}

func TestCheckFindsPlantedDamage(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(tx bench.Tx, table bench.Table, key func(uint64) []byte, value func(uint64) []byte) error
		want  string
	}{
		{"missing", func(tx bench.Tx, table bench.Table, key, _ func(uint64) []byte) error {
			return tx.Delete(table, key(7))
		}, "record 7 is missing"},
		{"foreign value", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			return tx.Put(table, key(7), value(8))
		}, "field 0 of record 7 is not"},
		{"flipped bit", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			v := value(2999)
			v[len(v)-1] ^= 1
			return tx.Put(table, key(2999), v)
		}, "field 9 of record 2999 is not"},
		{"torn value", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			v, newer := value(5), value(5)
			layout{10, 100}.bump(newer, 5, 3)
			copy(v[:350], newer)
			return tx.Put(table, key(5), v)
		}, "field 3 of record 5 is not"},
		{"short value", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			return tx.Put(table, key(5), value(5)[:999])
		}, "record 5 has 999 bytes"},
		{"write too many", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			v := value(5)
			layout{10, 100}.bump(v, 5, 3)
			return tx.Put(table, key(5), v)
		}, "written 1 times, by their counters, and 0 writes"},
		{"record too many", func(tx bench.Tx, table bench.Table, key, value func(uint64) []byte) error {
			v := make([]byte, 1000)
			layout{10, 100}.fill(v, 3000)
			return tx.Put(table, key(3000), v)
		}, "3001 records in the table, 3000 expected"},
		{"key without its record", func(tx bench.Tx, table bench.Table, _, value func(uint64) []byte) error {
			return tx.Put(table, []byte("user!"), value(1))
		}, `key "user!" has the value of`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e, s := loaded(t, small(A))
			if err := w.Check(t.Context(), e, 2); err != nil {
				t.Fatalf("before the damage: %v", err)
			}
			_, err := s.Update(func(tx bench.Tx) error {
				key := func(n uint64) []byte { return UserKeys.appendKey(nil, n) }
				value := func(n uint64) []byte {
					v, err := tx.Get(w.table, key(n))
					if err != nil {
						t.Fatal(err)
					}
					return append([]byte(nil), v...)
				}
				return c.plant(tx, w.table, key, value)
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Check(t.Context(), e, 2); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestCheckFindsLostUpdates runs two sessions on an engine that reads before the
// lock and writes after, so that one's write undoes the other's.
func TestCheckFindsLostUpdates(t *testing.T) {
	w, e, _ := loaded(t, small(PlusPlus))
	_, err := bench.Run(t.Context(), unisolated{e}, w, bench.Config{Sessions: 4, Duration: 200 * time.Millisecond, Yield: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context(), e, 1); err == nil || !strings.Contains(err.Error(), "by their counters") {
		t.Errorf("error %v", err)
	}
}

// unisolated executes every call of a transaction as a transaction of its own.
type unisolated struct{ *refengine.Engine }

func (u unisolated) NewSession(i int) (bench.Session, error) {
	s, err := u.Engine.NewSession(i)
	return unisolatedSession{s}, err
}

type unisolatedSession struct{ bench.Session }

func (s unisolatedSession) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	return 0, fn(unisolatedTx(s))
}

type unisolatedTx struct{ bench.Session }

func (x unisolatedTx) GetMany(t bench.Table, keys, values [][]byte) error {
	_, err := x.View(func(tx bench.Tx) error { return tx.GetMany(t, keys, values) })
	runtime.Gosched() // lets another session in between
	return err
}

func (x unisolatedTx) Put(t bench.Table, key, value []byte) error {
	_, err := x.Update(func(tx bench.Tx) error { return tx.Put(t, key, value) })
	return err
}

var errUnused = errors.New("ycsb++ does not do this")

func (x unisolatedTx) Get(bench.Table, []byte) ([]byte, error)  { return nil, errUnused }
func (x unisolatedTx) Insert(bench.Table, []byte, []byte) error { return errUnused }
func (x unisolatedTx) Delete(bench.Table, []byte) error         { return errUnused }
func (x unisolatedTx) Scan(bench.Table, []byte, []byte, bool, int, func(k, v []byte) bool) error {
	return errUnused
}

func TestZipfianFrequencies(t *testing.T) {
	const n, draws = 1000, 1_000_000
	for _, theta := range []float64{0.5, 0.9, 0.99} {
		var r bench.Rand
		r.Seed(3, 0)
		z := newZipfian(n/2, theta)
		z.grow(n) // in two steps, as Latest does
		counts := make([]int, n)
		for range draws {
			counts[z.next(&r)]++
		}
		zeta := 0.0
		for i := range n {
			zeta += math.Pow(float64(i+1), -theta)
		}
		// The method is exact for the first two and close for groups of others.
		expect := func(from, to int, tolerance float64) {
			got, want := 0.0, 0.0
			for i := from; i < to; i++ {
				got += float64(counts[i]) / draws
				want += math.Pow(float64(i+1), -theta) / zeta
			}
			if math.Abs(got/want-1) > tolerance {
				t.Errorf("theta %v: ranks %d..%d have %.4f of the draws, want %.4f", theta, from, to-1, got, want)
			}
		}
		expect(0, 1, 0.03)
		expect(1, 2, 0.03)
		expect(2, 20, 0.1)
		expect(20, 200, 0.1)
		expect(200, n, 0.1)
	}
}

func TestChoosers(t *testing.T) {
	shares := func(c Config) (hottest, newest float64) {
		var s sequence
		s.start(c.Records)
		ch := newChooser(c, &s, c.Mix == D)
		var r bench.Rand
		r.Seed(1, 2)
		counts := make([]int, c.Records)
		const draws = 200_000
		for range draws {
			counts[ch.next(&r)]++
		}
		top := 0
		for i, n := range counts {
			top = max(top, n)
			if i >= c.Records*9/10 {
				newest += float64(n) / draws
			}
		}
		return float64(top) / draws, newest
	}
	uniform := small(A)
	uniform.Distribution = Uniform
	if hottest, newest := shares(uniform); hottest > 0.001 || math.Abs(newest-0.1) > 0.01 {
		t.Errorf("uniform: hottest record %.4f, newest tenth %.3f", hottest, newest)
	}
	// Rank 0 of ten billion has 1/26.47; the scattered newest tenth has about a
	// tenth, give or take a hot record.
	if hottest, newest := shares(small(A)); hottest < 0.035 || hottest > 0.06 || newest > 0.25 {
		t.Errorf("zipfian: hottest record %.4f, newest tenth %.3f", hottest, newest)
	}
	if hottest, newest := shares(small(D)); hottest < 0.08 || newest < 0.6 {
		t.Errorf("latest: hottest record %.4f, newest tenth %.3f", hottest, newest)
	}
}

func TestSequence(t *testing.T) {
	var s sequence
	s.start(100)
	a, b, c := s.take(), s.take(), s.take()
	for _, step := range []struct{ n, present uint64 }{{b, 100}, {a, 102}, {c, 103}} {
		s.inserted(step.n)
		if got := s.present.Load(); got != step.present {
			t.Errorf("after %d: present %d, want %d", step.n, got, step.present)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50_000 {
				s.inserted(s.take())
			}
		})
	}
	wg.Wait()
	if s.present.Load() != 200_103 || s.taken.Load() != 200_103 {
		t.Errorf("present %d, taken %d", s.present.Load(), s.taken.Load())
	}
}

func TestUserKeys(t *testing.T) {
	// The original's key of record 0.
	if got := string(UserKeys.appendKey(nil, 0)); got != "user6284781860667377211" {
		t.Errorf("key %s", got)
	}
	seen := map[string]bool{}
	for n := range uint64(100_000) {
		k := string(UserKeys.appendKey(nil, n))
		if len(k) > keyBytesMax || seen[k] {
			t.Fatalf("key %s of %d", k, n)
		}
		seen[k] = true
	}
}

func TestValidate(t *testing.T) {
	for _, m := range []Mix{A, B, C, D, E, F, PlusPlus} {
		if err := For(m).Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(*Config){
		"mix":    func(c *Config) { c.Mix = "g" },
		"theta":  func(c *Config) { c.Theta = 1 },
		"nan":    func(c *Config) { c.Theta = math.NaN() },
		"few":    func(c *Config) { c.Records = 3 },
		"fields": func(c *Config) { c.FieldBytes = 23 },
		"large":  func(c *Config) { c.Fields = 1 << 20 },
		"keys":   func(c *Config) { c.Keys = "x" },
		"dist":   func(c *Config) { c.Distribution = "x" },
		"perTxn": func(c *Config) { c.PerTxn = 4 },
		"far":    func(c *Config) { *c = For(PlusPlus); c.Ahead = 65 },
		"ahead":  func(c *Config) { c.Ahead = 1 },
		"scan":   func(c *Config) { c.Mix, c.Table = E, bench.Hashed },
	} {
		c := For(A)
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: %+v is accepted", name, c)
		}
	}
}

// canned is a session whose records are always there, fresh, and whose writes go
// nowhere.
type canned struct {
	w     *Workload
	value []byte
	x     *executor
}

func (c *canned) Update(fn func(bench.Tx) error) (bench.Timestamp, error) { return 1, fn(c) }
func (c *canned) View(fn func(bench.Tx) error) (bench.Timestamp, error)   { return 1, fn(c) }
func (c *canned) Released() bench.Timestamp                               { return 1 }
func (c *canned) Aborts() uint64                                          { return 0 }
func (c *canned) Close() error                                            { return nil }
func (c *canned) Get(bench.Table, []byte) ([]byte, error) {
	c.w.layout.fill(c.value, c.x.numbers[0])
	return c.value, nil
}

func (c *canned) GetMany(_ bench.Table, keys, values [][]byte) error {
	for i := range keys {
		n := c.w.layout.bytes()
		values[i] = c.value[i*n : (i+1)*n]
		c.w.layout.fill(values[i], c.x.numbers[i])
	}
	return nil
}
func (c *canned) Put(bench.Table, []byte, []byte) error    { return nil }
func (c *canned) Insert(bench.Table, []byte, []byte) error { return nil }
func (c *canned) Delete(bench.Table, []byte) error         { return nil }
func (c *canned) Scan(_ bench.Table, from, _ []byte, _ bool, _ int, each func(k, v []byte) bool) error {
	c.w.layout.fill(c.value, 1)
	each(from, c.value)
	return nil
}

func cannedWorker(c Config) (*worker, error) {
	w, err := New(c)
	if err != nil {
		return nil, err
	}
	s := &canned{w: w, value: make([]byte, c.PerTxn*w.layout.bytes())}
	k := newWorker(w, s, 0, 1)
	s.x = k.executor
	return k, nil
}

func TestTransactionsDoNotAllocate(t *testing.T) {
	for _, m := range []Mix{A, B, C, D, E, F, PlusPlus} {
		k, err := cannedWorker(For(m))
		if err != nil {
			t.Fatal(err)
		}
		allocs := testing.AllocsPerRun(1000, func() {
			if _, _, err := k.Run(); err != nil {
				t.Error(m, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s allocates %v times", m, allocs)
		}
	}
}

// BenchmarkWithoutEngine is what a transaction costs besides the engine, the
// canned records included.
func BenchmarkWithoutEngine(b *testing.B) {
	zipf := For(PlusPlus)
	zipf.Distribution = Zipfian
	for name, c := range map[string]Config{"a": For(A), "++": For(PlusPlus), "++zipf": zipf} {
		b.Run(name, func(b *testing.B) {
			k, err := cannedWorker(c)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := k.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

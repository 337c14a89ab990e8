package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/epoch"
	"github.com/godwitdb/godwit/internal/record"
)

// hashRig is an arena with one hash index and one worker.
type hashRig struct {
	testing.TB
	arena  *arena.Arena
	domain *epoch.Domain
	pin    *epoch.Pin
	mem    Mem
	hash   *Hash
}

func newHashRig(t testing.TB, limit int64) *hashRig {
	t.Helper()
	a, err := arena.New(limit)
	if err != nil {
		t.Fatal(err)
	}
	d := epoch.NewDomain()
	r := &hashRig{TB: t, arena: a, domain: d, pin: d.NewPin(), mem: Mem{a.NewCache(), d.NewLimbo()}}
	if r.hash, err = NewHash(a, r.mem, 0); err != nil {
		t.Fatal(err)
	}
	r.pin.Enter()
	t.Cleanup(func() { a.Close() })
	return r
}

// worker returns a rig for another goroutine.
func (r *hashRig) worker() *hashRig {
	w := *r
	w.pin = r.domain.NewPin()
	w.mem = Mem{r.arena.NewCache(), r.domain.NewLimbo()}
	w.pin.Enter()
	return &w
}

func (r *hashRig) tryRecord(key []byte, valueBytes int) (arena.Ref, error) {
	meta := record.MakeMeta(len(key), record.Pad(valueBytes), valueBytes, false)
	ref, err := r.mem.Cache.Alloc(meta.Bytes())
	if err != nil {
		return 0, err
	}
	p := r.arena.Ptr(ref)
	*(*uint64)(unsafe.Add(p, record.MetaOffset)) = uint64(meta)
	copy(unsafe.Slice((*byte)(unsafe.Add(p, record.KeyOffset)), len(key)), key)
	return ref, nil
}

func (r *hashRig) record(key []byte) arena.Ref {
	ref, err := r.tryRecord(key, 0)
	if err != nil {
		panic(err)
	}
	return ref
}

func (r *hashRig) recordBytes(ref arena.Ref) int {
	return record.Meta(arena.Load64(unsafe.Add(r.arena.Ptr(ref), record.MetaOffset))).Bytes()
}

func (r *hashRig) retire(ref arena.Ref) { r.mem.Limbo.Retire(ref, r.recordBytes(ref)) }

// collect lets all grace periods pass and frees what waits in the limbo. No
// other worker is inside.
func (r *hashRig) collect() {
	r.pin.Exit()
	r.domain.Advance()
	r.mem.Limbo.Collect(r.mem.Cache, math.MaxInt)
	if n := r.mem.Limbo.Len(); n != 0 {
		r.Errorf("%d objects still wait with nobody inside", n)
	}
	r.pin.Enter()
}

func (r *hashRig) check() {
	r.Helper()
	if err := r.hash.Check(); err != nil {
		r.Fatal(err)
	}
}

// mustInsert inserts a new key and returns its record.
func (r *hashRig) mustInsert(key []byte) arena.Ref {
	r.Helper()
	rec := r.record(key)
	existing, _, err := r.hash.Insert(r.mem, rec, nil)
	if err != nil || existing != 0 {
		r.Fatalf("insert %x: existing %d, error %v", key, existing, err)
	}
	return rec
}

// all reads the whole index in steps of capacity refs.
func (r *hashRig) all(capacity int) []arena.Ref {
	var refs []arena.Ref
	buf := make([]arena.Ref, 0, capacity)
	for cursor, more := uint64(0), true; more; {
		buf, cursor, more = r.hash.ReadBuckets(cursor, buf[:0])
		refs = append(refs, buf...)
	}
	return refs
}

// hashKeyShapes are ways to make the i-th of a set of different keys.
var hashKeyShapes = map[string]func(i uint64) []byte{
	"big-endian":    func(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) },
	"little-endian": func(i uint64) []byte { return binary.LittleEndian.AppendUint64(nil, i) },
	"high bits":     func(i uint64) []byte { return binary.LittleEndian.AppendUint64(nil, i<<44) },
	"strided":       func(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15) },
	"decimal":       func(i uint64) []byte { return fmt.Appendf(nil, "%d", i) },
	"eight digits":  func(i uint64) []byte { return fmt.Appendf(nil, "%08d", i) },
	"composite": func(i uint64) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4, 12), uint32(i)), 7)
	},
	// From the empty key to the longest.
	"lengths": func(i uint64) []byte {
		return append(bytes.Repeat([]byte{0}, int(i%(record.KeyBytesMax+1))), fmt.Append(nil, i/(record.KeyBytesMax+1))[1:]...)
	},
}

func TestHashAgainstMap(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for name, shape := range hashKeyShapes {
		t.Run(name, func(t *testing.T) {
			for seed := range seeds {
				hashAgainstMap(newHashRig(t, 32<<20), rand.New(rand.NewPCG(seed, 1)), shape)
			}
		})
	}
}

// hashAgainstMap does random operations on an index and on a map, with phases in
// which the index grows and shrinks.
func hashAgainstMap(r *hashRig, rnd *rand.Rand, shape func(uint64) []byte) {
	const keyCount = 3000
	oracle := make(map[string]arena.Ref)
	for step := range 20000 {
		key := shape(rnd.Uint64N(keyCount))
		want := oracle[string(key)]
		growing := step/5000%2 == 0
		switch op := rnd.IntN(10); {
		case op < 4:
			f := r.hash.Get(key)
			if f.Rec != want || f.Version != CurrentVersion(r.arena, f.Node) {
				r.Fatalf("get %x: %+v, want record %d", key, f, want)
			}
		case op < 8 == growing:
			rec := r.record(key)
			existing, _, err := r.hash.Insert(r.mem, rec, nil)
			if err != nil || existing != want {
				r.Fatalf("insert %x: existing %d, want %d, error %v", key, existing, want, err)
			}
			if existing == 0 {
				oracle[string(key)] = rec
			} else {
				r.mem.Cache.Free(rec, r.recordBytes(rec))
			}
		case want != 0:
			twin := r.record(key)
			if r.hash.Remove(r.mem, twin) {
				r.Fatalf("remove of %x took another record", key)
			}
			r.mem.Cache.Free(twin, r.recordBytes(twin))
			if !r.hash.Remove(r.mem, want) {
				r.Fatalf("remove %x: not there", key)
			}
			r.retire(want)
			delete(oracle, string(key))
		}
		if step%1000 == 999 {
			r.check()
			r.collect()
		}
	}
	hashMustHold(r, oracle)
	for key, rec := range oracle {
		if !r.hash.Remove(r.mem, rec) {
			r.Fatalf("remove %x: not there", key)
		}
	}
	r.check()
	if refs := r.all(8); len(refs) != 0 {
		r.Fatalf("%d records in an empty index", len(refs))
	}
	if s := r.hash.Stats(true); s.Records != 0 || s.OverflowBuckets != 0 {
		r.Fatalf("empty index: %+v", s)
	}
}

// hashMustHold verifies that the index holds exactly what oracle does, by all
// ways to read.
func hashMustHold(r *hashRig, oracle map[string]arena.Ref) {
	r.Helper()
	r.check()
	keys, out := make([][]byte, 0, len(oracle)), make([]Found, 2*len(oracle))
	for key := range oracle {
		keys = append(keys, []byte(key), []byte(key+"?"))
	}
	r.hash.GetMany(keys, out)
	for i, key := range keys {
		if want := oracle[string(key)]; out[i].Rec != want || out[i] != r.hash.Get(key) {
			r.Fatalf("get many %x: %+v, want record %d", key, out[i], want)
		}
	}
	for _, capacity := range []int{0, 100, 2 * len(oracle)} {
		seen := make(map[arena.Ref]bool)
		for _, rec := range r.all(capacity) {
			if key := record.Key(r.arena.Ptr(rec)); seen[rec] || oracle[string(key)] != rec {
				r.Fatalf("read %x twice or without cause", key)
			}
			seen[rec] = true
		}
		if len(seen) != len(oracle) {
			r.Fatalf("read %d records of %d", len(seen), len(oracle))
		}
	}
}

func TestHashGrows(t *testing.T) {
	r := newHashRig(t, 64<<20)
	if s := r.hash.Stats(true); s.SegmentBytes > 4096 {
		t.Errorf("an empty index takes %d bytes", s.SegmentBytes)
	}
	for i := range uint64(100_000) {
		r.mustInsert(hashKeyShapes["big-endian"](i))
		s := r.hash.Stats(false)
		if i > 20_000 && i%997 == 0 {
			if load := float64(i) / float64(s.Buckets); math.Abs(load-float64(loadHalves)/2) > 0.7 {
				t.Fatalf("%d records in %d buckets", i, s.Buckets)
			}
			if s.SegmentBytes > s.Buckets*bucketBytes*5/4 {
				t.Fatalf("%d bytes for %d buckets", s.SegmentBytes, s.Buckets)
			}
		}
	}
	r.check()
	if s := r.hash.Stats(true); s.OverflowBuckets > s.Buckets/4 {
		t.Errorf("too many overflow buckets: %+v", s)
	}
}

// No shape of keys may crowd buckets: about as many overflow as would by chance.
func TestHashSpreadsKeys(t *testing.T) {
	const count = 20_000
	for name, shape := range hashKeyShapes {
		if name == "lengths" {
			continue // takes 2 KiB each
		}
		r := newHashRig(t, 64<<20)
		for i := range uint64(count) {
			r.mustInsert(shape(i))
		}
		s := r.hash.Stats(true)
		if s.OverflowBuckets > s.Buckets/5 || r.hash.Stats(false).Records < count*4/5 || r.hash.Stats(false).Records > count*6/5 {
			t.Errorf("%s: %+v", name, s)
		}
		tags := make(map[uint64]bool)
		for i := range uint64(count) {
			tags[tagOf(r.hash.seeds.hash(shape(i)))] = true
		}
		// By chance: 32768·(1-e^(-20000/32768)), about 15,000.
		if len(tags) < count*2/3 {
			t.Errorf("%s: %d different tags", name, len(tags))
		}
	}
}

func TestHashMemoryReturns(t *testing.T) {
	r := newHashRig(t, 64<<20)
	r.mem.Cache.Close()
	empty := r.arena.LiveBytes()
	var recs []arena.Ref
	for i := range uint64(30_000) {
		recs = append(recs, r.mustInsert(hashKeyShapes["decimal"](i)))
	}
	rand.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
	for _, rec := range recs[:20_000] {
		if !r.hash.Remove(r.mem, rec) {
			t.Fatal("a record is lost")
		}
		r.retire(rec)
	}
	r.check()
	for _, rec := range recs[20_000:] {
		if !r.hash.Remove(r.mem, rec) {
			t.Fatal("a record is lost")
		}
		r.retire(rec)
	}
	r.collect()
	r.mem.Cache.Close()
	grown := r.hash.Stats(true)
	if got, want := r.arena.LiveBytes(), empty+grown.SegmentBytes-1024; got > want+want/16 {
		t.Errorf("%d bytes live in an index without records, segments take %d", got, want)
	}
	freed := 0
	for i := range uint64(1000) {
		r.mustInsert(hashKeyShapes["decimal"](i))
	}
	r.hash.Free(r.mem, func(rec arena.Ref) { freed++; r.retire(rec) })
	if f := r.hash.Get([]byte("1")); f.Rec != 0 || f.Version == CurrentVersion(r.arena, f.Node) {
		t.Errorf("a freed index answers %+v, and the guard is valid", f)
	}
	r.collect()
	r.mem.Cache.Close()
	if live := r.arena.LiveBytes(); freed != 1000 || live != 0 {
		t.Errorf("%d records freed, %d bytes live", freed, live)
	}
}

// What a removal or a split takes out of a chain is not used for anything else while
// there may be readers in it.
func TestHashOverflowBucketsOutliveReaders(t *testing.T) {
	for name, change := range map[string]func(r *hashRig, recs []arena.Ref){
		"removal": func(r *hashRig, recs []arena.Ref) {
			if !r.hash.Remove(r.mem, recs[0]) {
				r.Fatal("a record is lost")
			}
		},
		"split": func(r *hashRig, _ []arena.Ref) {
			const n = 1 << firstLevel
			if err := r.hash.addSegment(r.mem, n); err != nil {
				r.Fatal(err)
			}
			r.hash.split(r.mem, n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHashRig(t, arena.MinLimitBytes)
			var recs []arena.Ref // one more than a bucket has room for, half of which go at the next level
			for i := uint64(0); len(recs) < bucketWords; i++ {
				key := binary.BigEndian.AppendUint64(nil, i)
				hv := r.hash.seeds.hash(key)
				if hv%(1<<firstLevel) == 0 && hv>>firstLevel&1 == uint64(len(recs)%2) {
					recs = append(recs, r.mustInsert(key))
				}
			}
			bucket := r.arena.Ptr(r.hash.bucketRef(0))
			_, overflow := r.hash.chain(bucket, nil, nil)
			if len(overflow) != 1 {
				t.Fatalf("%d overflow buckets", len(overflow))
			}
			change(r, recs)
			if _, left := r.hash.chain(bucket, nil, nil); len(left) != 0 {
				t.Fatalf("%d overflow buckets are left", len(left))
			}
			for range 1000 {
				ref, err := r.mem.Cache.Alloc(bucketBytes)
				if err != nil {
					t.Fatal(err)
				}
				if ref == overflow[0] {
					t.Fatal("it was given away while a reader was inside")
				}
			}
			r.check()
			r.collect()
		})
	}
}

// An index in a full arena refuses records and stays whole; with memory again it
// goes on where it was.
func TestHashFull(t *testing.T) {
	r := newHashRig(t, arena.MinLimitBytes)
	var recs []arena.Ref
	for i := range uint64(20_000) {
		recs = append(recs, r.record(hashKeyShapes["big-endian"](i)))
	}
	ballast := hashBallast(r.mem.Cache)
	oracle := make(map[string]arena.Ref)
	refused := 0
	for _, rec := range recs {
		key := record.Key(r.arena.Ptr(rec))
		guard := r.hash.Get(key)
		_, out, err := r.hash.Insert(r.mem, rec, nil)
		switch {
		case err == nil:
			oracle[string(key)] = rec
		case !errors.Is(err, arena.ErrFull):
			t.Fatal(err)
		case len(out) > 0 || r.hash.Get(key) != guard:
			t.Fatalf("a refused insert reports %v, and the key's guard went from %+v to %+v", out, guard, r.hash.Get(key))
		default:
			refused++
		}
	}
	if refused == 0 || len(oracle) == 0 {
		t.Fatalf("%d records refused, %d inserted", refused, len(oracle))
	}
	hashMustHold(r, oracle)
	ballast()
	for _, rec := range recs {
		key := record.Key(r.arena.Ptr(rec))
		if existing, _, err := r.hash.Insert(r.mem, rec, nil); err != nil || existing != oracle[string(key)] {
			t.Fatalf("insert %x: existing %d, want %d, error %v", key, existing, oracle[string(key)], err)
		}
		oracle[string(key)] = rec
	}
	hashMustHold(r, oracle)
}

// hashBallast takes all memory that an index could use, and returns what gives it
// back.
func hashBallast(c *arena.Cache) (free func()) {
	type object struct {
		ref arena.Ref
		n   int
	}
	var all []object
	for n := 16 << 10; n >= bucketBytes; n /= 2 {
		for {
			ref, err := c.Alloc(n)
			if err != nil {
				break
			}
			all = append(all, object{ref, n})
		}
	}
	return func() {
		for _, o := range all {
			c.Free(o.ref, o.n)
		}
		c.Close()
	}
}

func TestNewHashFull(t *testing.T) {
	a, err := arena.New(arena.MinLimitBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	m := Mem{a.NewCache(), epoch.NewDomain().NewLimbo()}
	hashBallast(m.Cache)
	h, err := NewHash(a, m, 0)
	if h != nil || !errors.Is(err, arena.ErrFull) || !strings.Contains(err.Error(), "hash") {
		t.Errorf("got %v, %v", h, err)
	}
}

// hashGuards is the node set of a transaction that looked keys up.
type hashGuards map[arena.Ref]uint64

func (g hashGuards) valid(a *arena.Arena) bool {
	for node, v := range g {
		if CurrentVersion(a, node) != v {
			return false
		}
	}
	return true
}

// apply does what a transaction does with the changes of its own inserts.
func (g hashGuards) apply(changes []Change) {
	for _, c := range changes {
		if v, ok := g[c.Node]; ok && v == c.Before {
			g[c.Node] = c.After
			if c.Right != 0 {
				g[c.Right] = c.RightVersion
			}
		}
	}
}

func TestHashPhantoms(t *testing.T) {
	r := newHashRig(t, 64<<20)
	rnd := rand.New(rand.NewPCG(7, 7))
	var recs []arena.Ref
	splits := 0
	for i := range uint64(20_000) {
		key := hashKeyShapes["composite"](i)
		before := r.hash.Get(key)
		rec := r.record(key)
		// A node set over everything, and one over a few other missing keys.
		mine := hashGuards{before.Node: before.Version}
		for range 20 {
			f := r.hash.Get(fmt.Append(nil, "missing", rnd.Uint64N(1000)))
			mine[f.Node] = f.Version
		}
		others := hashGuards{before.Node: before.Version}
		_, changes, err := r.hash.Insert(r.mem, rec, nil)
		if err != nil {
			t.Fatal(err)
		}
		if others.valid(r.arena) {
			t.Fatalf("the guard of missing key %x is valid after its insert", key)
		}
		mine.apply(changes)
		if !mine.valid(r.arena) {
			t.Fatalf("insert of %x: own node set is not valid after changes %+v", key, changes)
		}
		for _, c := range changes {
			if c.Right != 0 {
				splits++
			}
		}
		after := r.hash.Get(key)
		if v, ok := mine[after.Node]; !ok || v != after.Version {
			t.Fatalf("insert of %x: the node set does not guard the key's bucket after changes %+v", key, changes)
		}
		recs = append(recs, rec)
		if i%3 == 0 {
			at := rnd.IntN(len(recs))
			victim := record.Key(r.arena.Ptr(recs[at]))
			f := r.hash.Get(victim)
			if !r.hash.Remove(r.mem, recs[at]) {
				t.Fatalf("remove %x: not there", victim)
			}
			if (hashGuards{f.Node: f.Version}).valid(r.arena) {
				t.Fatalf("the guard of key %x is valid after its removal", victim)
			}
			recs[at] = recs[len(recs)-1]
			recs = recs[:len(recs)-1]
		}
	}
	if splits < 1000 {
		t.Errorf("only %d splits", splits)
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	r := newHashRig(t, 64<<20)
	keys := make([][]byte, 20)
	for i := range uint64(10_000) {
		key := hashKeyShapes["decimal"](i)
		r.mustInsert(key)
		keys[i%20] = key
	}
	out := make([]Found, len(keys))
	changes := make([]Change, 0, 64)
	recs := make([]arena.Ref, 300)
	for i := range recs {
		recs[i] = r.record(fmt.Append(nil, "new", i))
	}
	refs := make([]arena.Ref, 0, 1024)
	// Once, for the queues of the limbo and of the caches.
	churn := func() {
		for _, rec := range recs {
			if _, _, err := r.hash.Insert(r.mem, rec, changes); err != nil {
				t.Fatal(err)
			}
		}
		for _, rec := range recs {
			r.hash.Remove(r.mem, rec)
		}
		r.collect()
	}
	churn()
	for name, f := range map[string]func(){
		"Get":           func() { r.hash.Get(keys[3]) },
		"GetMany":       func() { r.hash.GetMany(keys, out) },
		"Insert/Remove": churn,
		"ReadBuckets":   func() { r.hash.ReadBuckets(0, refs) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %.1f times", name, n)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add([]byte("\x00a\x01a\x02a\x00a"), uint16(0))
	f.Add(bytes.Repeat([]byte("\x00x\x00y\x01x\x02y"), 30), uint16(200))
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789"), uint16(4096))
	f.Fuzz(func(t *testing.T, ops []byte, pad uint16) {
		r := newHashRig(t, arena.MinLimitBytes)
		oracle := make(map[string]arena.Ref)
		longest := int(pad) % record.KeyBytesMax
		for ; len(ops) >= 2; ops = ops[2:] {
			key := bytes.Repeat(ops[1:2], 1+int(ops[0]>>2)*longest/64)
			want := oracle[string(key)]
			switch ops[0] & 3 {
			case 0, 1:
				existing, _, err := r.hash.Insert(r.mem, r.record(key), nil)
				if err != nil || existing != want {
					t.Fatalf("insert %x: %d, want %d, error %v", key, existing, want, err)
				}
				if existing == 0 {
					oracle[string(key)] = r.hash.Get(key).Rec
				}
			case 2:
				if want != 0 && !r.hash.Remove(r.mem, want) {
					t.Fatalf("remove %x: not there", key)
				}
				delete(oracle, string(key))
			case 3:
				if f := r.hash.Get(key); f.Rec != want {
					t.Fatalf("get %x: %d, want %d", key, f.Rec, want)
				}
			}
		}
		hashMustHold(r, oracle)
	})
}

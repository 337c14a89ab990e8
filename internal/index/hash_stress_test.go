package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
)

// step leaves and enters the pin again, and now and then frees what can be freed.
func (r *hashRig) step(i int) {
	r.pin.Exit()
	if i%64 == 0 {
		r.domain.Advance()
		r.mem.Limbo.Collect(r.mem.Cache, math.MaxInt)
	}
	r.pin.Enter()
}

// TestHashConcurrent has writers grow and shrink an index, each with keys of its
// own, while readers look up keys that never go away and scans read everything.
func TestHashConcurrent(t *testing.T) {
	const (
		stableCount = 500
		writers     = 3
		steps       = 20_000
	)
	r := newHashRig(t, 64<<20)
	r.mem.Cache.Close()
	stable := make(map[string]arena.Ref)
	var keys [][]byte
	for i := range uint64(stableCount) {
		key := fmt.Appendf(nil, "stable%d", i)
		stable[string(key)] = r.mustInsert(key)
		keys = append(keys, key)
	}
	r.pin.Exit()

	var writing, reading sync.WaitGroup
	var done atomic.Bool
	models := make([]map[string]arena.Ref, writers)
	for id := range writers {
		w := r.worker()
		writing.Go(func() {
			models[id] = hashStressWriter(w, uint64(id), steps)
			w.pin.Exit()
		})
	}
	readers := []func(w *hashRig){
		func(w *hashRig) { hashStressReader(w, keys, stable) },
		func(w *hashRig) { hashStressScan(w, stable) },
	}
	for _, read := range readers {
		w := r.worker()
		reading.Go(func() {
			for i := 0; !done.Load() && !t.Failed(); i++ {
				read(w)
				w.step(i)
			}
			w.pin.Exit()
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
	if t.Failed() {
		return
	}
	r.pin.Enter()
	for _, m := range models {
		for key, rec := range m {
			stable[key] = rec
		}
	}
	hashMustHold(r, stable)
}

// hashStressWriter inserts and removes keys of its own, checks each answer, and
// returns what it leaves behind. Only it retires into its limbo, which is empty in
// the end.
func hashStressWriter(w *hashRig, id uint64, steps int) map[string]arena.Ref {
	rnd := rand.New(rand.NewPCG(id, 5))
	mine := make(map[string]arena.Ref)
	var changes []Change
	for i := range steps {
		key := binary.BigEndian.AppendUint64(nil, id<<32|rnd.Uint64N(4000))
		want := mine[string(key)]
		if f := w.hash.Get(key); f.Rec != want {
			w.Errorf("writer %d: get %x: %d, want %d", id, key, f.Rec, want)
			return mine
		}
		// Two insert for each remove at first, then the other way round.
		if insert := rnd.IntN(3) != 0 == (i%10_000 < 5000); insert {
			rec := w.record(key)
			existing, out, err := w.hash.Insert(w.mem, rec, changes[:0])
			if changes = out; err != nil || existing != want {
				w.Errorf("writer %d: insert %x: %d, want %d, error %v", id, key, existing, want, err)
				return mine
			}
			if existing != 0 {
				w.mem.Cache.Free(rec, w.recordBytes(rec))
			} else {
				mine[string(key)] = rec
			}
		} else if want != 0 {
			if !w.hash.Remove(w.mem, want) {
				w.Errorf("writer %d: remove %x: not there", id, key)
				return mine
			}
			w.retire(want)
			delete(mine, string(key))
		}
		w.step(i)
	}
	return mine
}

func hashStressReader(w *hashRig, keys [][]byte, stable map[string]arena.Ref) {
	out := make([]Found, len(keys))
	w.hash.GetMany(keys, out)
	for i, key := range keys {
		f := w.hash.Get(key)
		if f.Rec != stable[string(key)] || out[i].Rec != f.Rec {
			w.Errorf("get %s: %d, get many: %d, want %d", key, f.Rec, out[i].Rec, stable[string(key)])
		}
	}
}

func hashStressScan(w *hashRig, stable map[string]arena.Ref) {
	seen := make(map[arena.Ref]bool)
	buf := make([]arena.Ref, 0, 200)
	for cursor, more := uint64(0), true; more; {
		buf, cursor, more = w.hash.ReadBuckets(cursor, buf[:0])
		for _, rec := range buf {
			seen[rec] = true
		}
		w.step(1)
	}
	for key, rec := range stable {
		if !seen[rec] {
			w.Errorf("a scan missed %s", key)
		}
	}
}

// All memory returns after concurrent growth and removal.
func TestHashConcurrentMemory(t *testing.T) {
	r := newHashRig(t, 64<<20)
	r.pin.Exit()
	var group sync.WaitGroup
	workers := make([]*hashRig, 3)
	for id := range workers {
		w := r.worker()
		workers[id] = w
		group.Go(func() {
			for key, rec := range hashStressWriter(w, uint64(id), 8000) {
				if !w.hash.Remove(w.mem, rec) {
					t.Errorf("remove %x: not there", key)
				}
				w.retire(rec)
			}
			w.pin.Exit()
		})
	}
	group.Wait()
	r.check()
	s := r.hash.Stats(true)
	if s.Records != 0 || s.OverflowBuckets != 0 {
		t.Errorf("empty index: %+v", s)
	}
	live := func() int64 {
		for _, w := range slices.Concat(workers, []*hashRig{r}) {
			w.pin.Enter()
			w.collect()
			w.pin.Exit()
			w.mem.Cache.Close()
		}
		return r.arena.LiveBytes()
	}
	if got := live(); got > s.SegmentBytes*9/8 {
		t.Errorf("%d bytes live in an empty index of %d", got, s.SegmentBytes)
	}
	r.hash.Free(r.mem, func(arena.Ref) { t.Error("a record in an empty index") })
	if got := live(); got != 0 {
		t.Errorf("%d bytes live after Free", got)
	}
}

// Two transactions, each of which inserts its key only if the other's is
// missing: at most one may pass validation. Other keys come along, so that
// buckets are split all the time.
func TestHashPhantomsConcurrent(t *testing.T) {
	const rounds = 5000
	r := newHashRig(t, 64<<20)
	r.pin.Exit()
	var committed [2][rounds]bool
	var at [2]atomic.Int64 // the round that each side is in
	var group sync.WaitGroup
	for side := range 2 {
		w := r.worker()
		group.Go(func() {
			defer w.pin.Exit()
			for round := range rounds {
				// Begin together.
				at[side].Store(int64(round))
				for tries := 0; at[1-side].Load() < int64(round); tries++ {
					hashWait(tries)
				}
				committed[side][round] = hashSkew(w, round, side)
				w.step(round)
			}
			at[side].Store(math.MaxInt64)
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	both, one := 0, 0
	for round := range rounds {
		switch a, b := committed[0][round], committed[1][round]; {
		case a && b:
			both++
		case a || b:
			one++
		}
	}
	if both > 0 || one < rounds/10 {
		t.Errorf("of %d rounds %d ended with both keys, %d with one", rounds, both, one)
	}
	r.check()
}

// hashSkew is one side's transaction. It tells whether it committed.
func hashSkew(w *hashRig, round, side int) bool {
	keys := [2][]byte{fmt.Appendf(nil, "a%d", round), fmt.Appendf(nil, "b%d", round)}
	other := w.hash.Get(keys[1-side])
	if other.Rec != 0 {
		return false
	}
	guards := hashGuards{other.Node: other.Version}
	rec := w.record(keys[side])
	filler := w.record(fmt.Appendf(nil, "filler%d-%d", side, round))
	var changes []Change
	for _, ref := range []arena.Ref{filler, rec} {
		existing, out, err := w.hash.Insert(w.mem, ref, changes[:0])
		if existing != 0 || err != nil {
			w.Errorf("insert in round %d: existing %d, error %v", round, existing, err)
		}
		guards.apply(out)
		changes = out
	}
	if guards.valid(w.arena) {
		return true
	}
	if !w.hash.Remove(w.mem, rec) {
		w.Errorf("round %d: the inserted key is lost", round)
	}
	w.retire(rec)
	return false
}

// A scan in steps, with the index growing and shrinking between them, sees every
// record that stays, and sees it once.
func TestHashReadBucketsWhileGrowing(t *testing.T) {
	for seed := range uint64(20) {
		r := newHashRig(t, arena.MinLimitBytes)
		rnd := rand.New(rand.NewPCG(seed, 9))
		seen := make(map[arena.Ref]int)
		for range rnd.IntN(2000) {
			seen[r.mustInsert(binary.BigEndian.AppendUint64(nil, rnd.Uint64()))] = 0
		}
		var passing []arena.Ref
		for cursor, more := uint64(0), true; more; {
			var refs []arena.Ref
			refs, cursor, more = r.hash.ReadBuckets(cursor, make([]arena.Ref, 0, rnd.IntN(200)))
			for _, rec := range refs {
				if _, stays := seen[rec]; stays {
					seen[rec]++
				}
			}
			for range rnd.IntN(300) {
				passing = append(passing, r.mustInsert(binary.BigEndian.AppendUint64(nil, rnd.Uint64())))
			}
			for range rnd.IntN(len(passing) + 1) {
				if !r.hash.Remove(r.mem, passing[0]) {
					t.Fatal("a record is lost")
				}
				passing = passing[1:]
			}
		}
		for rec, times := range seen {
			if times != 1 {
				t.Fatalf("seed %d: record %d seen %d times", seed, rec, times)
			}
		}
		r.check()
	}
}

// TestHashContended has everybody at the same bucket: records that stay are moved
// about in its chain all the time by the coming and going of others, and the
// writers fight for the same keys.
func TestHashContended(t *testing.T) {
	// A bucket that is never full, one with one overflow bucket now and then, and
	// a chain of two to four buckets.
	for _, counts := range [][2]int{{2, 4}, {5, 5}, {10, 16}} {
		t.Run(fmt.Sprint(counts), func(t *testing.T) { hashContended(t, counts[0], counts[1]) })
	}
}

func hashContended(t *testing.T, stableCount, hotCount int) {
	const steps = 40_000
	r := newHashRig(t, arena.MinLimitBytes)
	var keys [][]byte
	for i := uint64(0); len(keys) < stableCount+hotCount; i++ {
		key := binary.BigEndian.AppendUint64(nil, i)
		// The same bucket also if there are a few more than in the beginning.
		if r.hash.seeds.hash(key)%256 == 0 {
			keys = append(keys, key)
		}
	}
	keys, hot := keys[:stableCount], keys[stableCount:]
	stable := make(map[string]arena.Ref)
	for _, key := range keys {
		stable[string(key)] = r.mustInsert(key)
	}
	r.pin.Exit()
	owners := make([]atomic.Int64, hotCount) // of each hot key: how many records are in
	var writing, reading sync.WaitGroup
	var done atomic.Bool
	for id := range uint64(2) {
		w := r.worker()
		writing.Go(func() {
			hashContender(w, rand.New(rand.NewPCG(id, 11)), steps, hot, owners)
			w.pin.Exit()
		})
	}
	for _, read := range []func(w *hashRig){
		func(w *hashRig) { hashStressReader(w, keys, stable) },
		func(w *hashRig) { hashStressScan(w, stable) },
	} {
		w := r.worker()
		reading.Go(func() {
			for i := 0; !done.Load() && !t.Failed(); i++ {
				read(w)
				w.step(i)
			}
			w.pin.Exit()
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
	if !t.Failed() {
		r.pin.Enter()
		hashMustHold(r, stable)
	}
}

// hashContender inserts and removes the hot keys, which others do too, and leaves
// none of its own behind.
func hashContender(w *hashRig, rnd *rand.Rand, steps int, hot [][]byte, owners []atomic.Int64) {
	mine := make([]arena.Ref, len(hot))
	remove := func(k int) {
		owners[k].Add(-1)
		if !w.hash.Remove(w.mem, mine[k]) {
			w.Errorf("hot key %d: the record is lost", k)
		}
		w.retire(mine[k])
		mine[k] = 0
	}
	for i := 0; i < steps && !w.Failed(); i++ {
		k := rnd.IntN(len(hot))
		if mine[k] != 0 {
			remove(k)
		} else {
			rec := w.record(hot[k])
			existing, _, err := w.hash.Insert(w.mem, rec, nil)
			switch {
			case err != nil || existing == rec:
				w.Errorf("insert of hot key %d: existing %d, error %v", k, existing, err)
			case existing != 0:
				w.mem.Cache.Free(rec, w.recordBytes(rec))
			default:
				mine[k] = rec
				if n := owners[k].Add(1); n != 1 {
					w.Errorf("hot key %d has %d records", k, n)
				}
			}
		}
		w.step(i)
	}
	for k, rec := range mine {
		if rec != 0 {
			remove(k)
		}
	}
}

// Readers take no notice of what a bucket looks like while it is locked, nor of
// one that is locked when they are half through.
func TestHashReadersSeeNoLockedBucket(t *testing.T) {
	// A bucket with free slots, a chain of two without any, a longer chain.
	for _, count := range []int{5, 14, 30} {
		t.Run(fmt.Sprint(count), func(t *testing.T) { hashLockedBucket(t, count) })
	}
}

func hashLockedBucket(t *testing.T, count int) {
	const readsMin = 5000 // of each kind, while the bucket changes
	r := newHashRig(t, arena.MinLimitBytes)
	var keys [][]byte
	var sum arena.Ref
	for i := uint64(0); len(keys) < count; i++ {
		key := binary.BigEndian.AppendUint64(nil, i)
		if r.hash.seeds.hash(key)%256 == 0 {
			keys = append(keys, key)
			sum += r.mustInsert(key)
		}
	}
	var done atomic.Bool
	var reads [3]atomic.Int64
	var reading sync.WaitGroup
	for kind, read := range []func(k int) bool{
		func(k int) bool { return r.hash.Get(keys[k]).Rec != 0 },
		func(k int) bool {
			var out [2]Found
			r.hash.GetMany([][]byte{keys[k], keys[count-1-k]}, out[:])
			return out[0].Rec != 0 && out[1].Rec != 0
		},
		func(int) bool {
			var buf [64]arena.Ref
			refs, _, more := r.hash.ReadBuckets(0, buf[:0])
			got := arena.Ref(0)
			for _, ref := range refs {
				got += ref
			}
			return got == sum || more
		},
	} {
		reading.Go(func() {
			for i := 0; !done.Load(); i++ {
				if !read(i % count) {
					t.Errorf("reader %d missed a record in a locked bucket", kind)
					done.Store(true)
				}
				reads[kind].Add(1)
			}
		})
	}
	node := r.hash.Get(keys[0]).Node
	for i := 0; !done.Load() && min(reads[0].Load(), reads[1].Load(), reads[2].Load()) < readsMin; i++ {
		hashUpset(r, node, i)
	}
	done.Store(true)
	reading.Wait()
	r.check()
}

// hashUpset locks a bucket, has it look otherwise for a moment, empty or full of
// one record, and unlocks it as it was.
func hashUpset(r *hashRig, node arena.Ref, round int) {
	p := r.arena.Ptr(node)
	v := r.hash.lockBucket(node)
	var slots [bucketWords]uint64
	for i := 1; i < bucketWords; i++ {
		slot := unsafe.Add(p, i*8)
		slots[i] = arena.Load64(slot)
		switch {
		case round%2 == 0:
			arena.Store64(slot, 0)
		case slots[i] != 0 && !isLink(slots[i]):
			arena.Store64(slot, slots[1])
		}
	}
	if round%16 < 2 {
		runtime.Gosched() // a machine with one processor has readers now
	}
	for i := 1; i < bucketWords; i++ {
		arena.Store64(unsafe.Add(p, i*8), slots[i])
	}
	r.hash.unlock(node, v+bucketChanged)
	if round%4 < 2 {
		runtime.Gosched() // leave the readers a chance
	}
}

// A reader that took the number of buckets before a split finds out that its
// bucket does not hold the key any more, and tries again until it sees the new
// number.
func TestHashReaderWithOldState(t *testing.T) {
	r := newHashRig(t, arena.MinLimitBytes)
	var keys [][]byte
	for i := range uint64(1000) {
		keys = append(keys, binary.BigEndian.AppendUint64(nil, i))
		r.mustInsert(keys[i])
	}
	now := r.hash.state.Load()
	before := now>>8 - 1 // buckets, one split ago
	for _, old := range []uint64{before<<8 | uint64(bits.Len64(before)-1), 1<<firstLevel<<8 | firstLevel} {
		for _, key := range keys {
			want := r.hash.bucketOf(r.hash.seeds.hash(key))
			r.hash.state.Store(old)
			if r.hash.bucketOf(r.hash.seeds.hash(key)) == want {
				r.hash.state.Store(now)
				continue
			}
			found := make(chan Found, 2)
			var out [1]Found
			go func() {
				found <- r.hash.Get(key)
				r.hash.GetMany([][]byte{key}, out[:])
				found <- out[0]
			}()
			// Let it try with the old state.
			for range 10 {
				runtime.Gosched()
			}
			r.hash.state.Store(now)
			for range 2 {
				if f := <-found; f.Rec == 0 {
					t.Fatalf("a reader with an old state missed %x", key)
				}
			}
		}
	}
	r.check()
}

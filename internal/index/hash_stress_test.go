package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

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
		for _, w := range append(workers, r) {
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

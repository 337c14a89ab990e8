package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/epoch"
	"github.com/godwitdb/godwit/internal/record"
)

// A stress test's keys end with their class: class 0 never changes while
// others run, each other class belongs to one writer.
const stableClass = 0

// stressWorker is a goroutine of a stress test. All of its checks panic through
// fail: the test's own Fatal belongs to the test's goroutine.
type stressWorker struct {
	w    *treeWorld
	mem  Mem
	pin  *epoch.Pin
	r    *rand.Rand
	key  func(r *rand.Rand) []byte
	errs chan<- error
	// stable are the keys of the stable class, sorted.
	stable []string
	// mine are the records that this worker has in the tree.
	mine map[string]arena.Ref
}

func (s *stressWorker) failf(format string, args ...any) {
	select {
	case s.errs <- fmt.Errorf(format, args...):
	default:
	}
}

func TestTreeConcurrent(t *testing.T) {
	for i, kind := range keyMakers {
		if kind.name == "huge" {
			continue // few keys fill a small arena
		}
		t.Run(kind.name, func(t *testing.T) {
			n := 1500
			key := func(r *rand.Rand) []byte { return kind.make(r, n) }
			testTreeConcurrent(t, key, uint64(i))
		})
	}
}

func testTreeConcurrent(t *testing.T, key func(*rand.Rand) []byte, seed uint64) {
	const writers, readers, steps = 3, 2, 1200
	w := newTreeWorld(t, 16<<20)
	live := w.arena.LiveBytes()
	errs := make(chan error, 1)
	stable := &oracle{w: w, recs: map[string]arena.Ref{}}
	r := rand.New(rand.NewPCG(seed, 2))
	for range 500 {
		stable.insert(append(key(r), stableClass))
	}
	newWorker := func(class int) *stressWorker {
		return &stressWorker{
			w: w, mem: w.newMem(), pin: w.domain.NewPin(), errs: errs,
			r: rand.New(rand.NewPCG(seed, uint64(class))),
			key: func(r *rand.Rand) []byte {
				return append(key(r), byte(class))
			},
			stable: stable.sorted(), mine: map[string]arena.Ref{},
		}
	}
	var writing, reading sync.WaitGroup
	var done atomic.Bool
	for i := range readers {
		s := newWorker(stableClass)
		s.r = rand.New(rand.NewPCG(seed, uint64(100+i)))
		reading.Go(func() {
			for !done.Load() {
				s.read()
			}
			s.leave()
		})
	}
	for i := range writers {
		s := newWorker(i + 1)
		writing.Go(func() {
			for step := range steps {
				s.write(step, steps)
			}
			s.removeAll()
			s.leave()
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	stable.check()
	sorted := stable.sorted()
	stable.scan(sorted, nil, nil)
	for _, k := range sorted {
		stable.remove([]byte(k))
	}
	stable.check()
	w.collect()
	w.mem.Cache.Close()
	if grown := w.arena.LiveBytes() - live; grown > 8192 {
		t.Fatalf("empty tree: %d bytes more than at the start; %+v", grown, w.tree.Stats())
	}
}

// The root is split and dropped again and again, by several goroutines at once.
func TestTreeRootConcurrent(t *testing.T) {
	const goroutines, rounds, keys = 4, 60, 60
	w := newTreeWorld(t, 16<<20)
	live := w.arena.LiveBytes()
	errs := make(chan error, 1)
	var all sync.WaitGroup
	for g := range goroutines {
		s := &stressWorker{
			w: w, mem: w.newMem(), pin: w.domain.NewPin(), errs: errs,
			r: rand.New(rand.NewPCG(9, uint64(g))), mine: map[string]arena.Ref{},
		}
		all.Go(func() {
			for range rounds {
				for i := range keys {
					s.pin.Enter()
					key := binary.BigEndian.AppendUint64(nil, mix(uint64(i*goroutines+g)))
					s.insert(key, nil)
					if w.tree.Get(key).Rec != s.mine[string(key)] {
						s.failf("get %x: not what was inserted", key)
					}
					s.pin.Exit()
				}
				s.removeAll()
				w.domain.Advance()
				s.mem.Limbo.Collect(s.mem.Cache, 1<<20)
			}
			s.leave()
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	if err := w.tree.Check(); err != nil {
		t.Fatal(err)
	}
	w.mem.Cache.Close()
	if grown := w.arena.LiveBytes() - live; grown > 8192 {
		t.Fatalf("empty tree: %d bytes more than at the start; %+v", grown, w.tree.Stats())
	}
}

// leave frees what the worker has retired and gives its cache back.
func (s *stressWorker) leave() {
	for s.mem.Limbo.Len() > 0 {
		s.w.domain.Advance()
		s.mem.Limbo.Collect(s.mem.Cache, 1<<20)
	}
	s.mem.Cache.Close()
	s.pin.Drop()
}

func (s *stressWorker) write(step, steps int) {
	s.pin.Enter()
	defer s.pin.Exit()
	if step%64 == 0 {
		s.w.domain.Advance()
		s.mem.Limbo.Collect(s.mem.Cache, 1000)
	}
	inserts := 70
	if step/(steps/4)%2 == 1 {
		inserts = 20
	}
	if s.r.IntN(20) == 0 {
		s.transaction()
		return
	}
	for range 1 + s.r.IntN(8) {
		key := s.key(s.r)
		if f := s.w.tree.Get(key); f.Rec != s.mine[string(key)] {
			s.failf("get %q: got %#x, want %#x", key, f.Rec, s.mine[string(key)])
		}
		if s.r.IntN(100) < inserts {
			s.insert(key, nil)
		} else {
			s.remove(key)
		}
	}
}

// insert returns the changes, none if the key was there.
func (s *stressWorker) insert(key []byte, changes []Change) []Change {
	rec, err := newRecord(s.w.arena, s.mem.Cache, key)
	if err != nil {
		s.failf("insert %q: %w", key, err)
		return changes
	}
	existing, changes, err := s.w.tree.Insert(s.mem, rec, changes)
	if err != nil {
		s.failf("insert %q: %w", key, err)
		return changes
	}
	if existing != s.mine[string(key)] {
		s.failf("insert %q: found %#x, want %#x", key, existing, s.mine[string(key)])
	}
	if existing != 0 {
		s.mem.Cache.Free(rec, recordBytes(s.w.arena, rec))
		return changes
	}
	s.mine[string(key)] = rec
	return changes
}

func (s *stressWorker) remove(key []byte) {
	rec, ok := s.mine[string(key)]
	if !ok {
		// Take the next one that is there.
		for k := range s.mine {
			key, rec = []byte(k), s.mine[k]
			break
		}
	}
	if rec == 0 {
		return
	}
	if !s.w.tree.Remove(s.mem, rec) {
		s.failf("remove %q: not there", key)
	}
	delete(s.mine, string(key))
	s.mem.Limbo.Retire(rec, recordBytes(s.w.arena, rec))
}

func (s *stressWorker) removeAll() {
	for k := range s.mine {
		s.pin.Enter()
		s.remove([]byte(k))
		s.pin.Exit()
	}
}

// transaction scans a range, inserts into it, keeps its node set valid with the
// changes, and if nobody else came in between, finds what it should.
func (s *stressWorker) transaction() {
	from, to := s.bounds()
	nodes := map[arena.Ref]uint64{}
	keys, ok := s.scan(from, to, s.r.IntN(2) == 0, nodes)
	if !ok {
		return
	}
	for range s.r.IntN(6) {
		key := s.key(s.r)
		if bytes.Compare(key, from) < 0 || bytes.Compare(key, to) >= 0 || s.mine[string(key)] != 0 {
			continue
		}
		changes := s.insert(key, nil)
		for _, c := range changes {
			if v, ok := nodes[c.Node]; ok && v == c.Before {
				nodes[c.Node] = c.After
				if c.Right != 0 {
					nodes[c.Right] = c.RightVersion
				}
			}
		}
		keys = append(keys, string(key))
	}
	slices.Sort(keys)
	again, ok := s.scan(from, to, s.r.IntN(2) == 0, nil)
	if !ok {
		return
	}
	for node, version := range nodes {
		if CurrentVersion(s.w.arena, node) != version {
			return // a conflict
		}
	}
	if !slices.Equal(keys, again) {
		s.failf("phantom in [%q, %q): %d keys, then %d, first difference at %d", from, to, len(keys), len(again), firstDifference(keys, again))
	}
}

func (s *stressWorker) bounds() (from, to []byte) {
	from, to = s.key(s.r), s.key(s.r)
	if bytes.Compare(from, to) > 0 {
		from, to = to, from
	}
	return from, to
}

// read checks what holds at any time.
func (s *stressWorker) read() {
	s.pin.Enter()
	defer s.pin.Exit()
	var keys [groupMax + 3][]byte
	var out [groupMax + 3]Found
	for i := range keys {
		keys[i] = []byte(s.stable[s.r.IntN(len(s.stable))])
	}
	n := 1 + s.r.IntN(len(keys))
	s.w.tree.GetMany(keys[:n], out[:n])
	for i, f := range out[:n] {
		if f.Rec == 0 || !bytes.Equal(record.Key(s.w.arena.Ptr(f.Rec)), keys[i]) {
			s.failf("get many %q: got %#x", keys[i], f.Rec)
		}
		if one := s.w.tree.Get(keys[i]); one.Rec != f.Rec {
			s.failf("get %q: got %#x, many %#x", keys[i], one.Rec, f.Rec)
		}
	}
	from, to := s.bounds()
	s.scan(from, to, s.r.IntN(2) == 0, nil)
}

// scan returns the keys of a range, in order, and adds the leaves to nodes. It
// checks the order and that no stable key is missing.
func (s *stressWorker) scan(from, to []byte, descending bool, nodes map[arena.Ref]uint64) (keys []string, ok bool) {
	var p Page
	ok = true
	if descending {
		s.w.tree.Descend(&p, from, to)
	} else {
		s.w.tree.Ascend(&p, from, to)
	}
	for more := true; more; {
		if nodes != nil {
			// A leaf may come twice, if it took in the next one meanwhile.
			if v, seen := nodes[p.Node]; seen && v != p.Version {
				ok = false
			}
			nodes[p.Node] = p.Version
		}
		for _, r := range p.Recs {
			keys = append(keys, string(record.Key(s.w.arena.Ptr(r))))
		}
		if nodes == nil && s.r.IntN(8) == 0 {
			// Leaves may be freed between pages.
			s.pin.Exit()
			s.pin.Enter()
		}
		more = s.w.tree.Next(&p)
	}
	if descending {
		slices.Reverse(keys)
	}
	stable := 0
	for i, k := range keys {
		if i > 0 && keys[i-1] >= k {
			s.failf("scan [%q, %q): %q after %q", from, to, k, keys[i-1])
		}
		if k < string(from) || k >= string(to) {
			s.failf("scan [%q, %q): got %q", from, to, k)
		}
		if k[len(k)-1] == stableClass {
			stable++
		}
	}
	lo, _ := slices.BinarySearch(s.stable, string(from))
	hi, _ := slices.BinarySearch(s.stable, string(to))
	if stable != max(hi-lo, 0) {
		s.failf("scan [%q, %q), descending %v: got %d stable keys, want %d", from, to, descending, stable, hi-lo)
	}
	return keys, ok
}

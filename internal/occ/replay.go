package occ

import (
	"runtime"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// Replayer applies logged or checkpointed writes, outside of any transaction.
// There is one for each goroutine that replays, and they need no coordination:
// of each key the newest timestamp wins (the Thomas write rule), so the order
// does not matter and applying twice does no harm. Deletions leave their
// timestamps behind in the index until Maintain or CollectReplayed takes them out.
//
// What is replayed is final: RollBack does not take it back.
type Replayer struct {
	w       *Worker
	tx      *Tx
	stepped bool // it occupies the commit phase between Begin and End only
	last    hlc.Timestamp
	deletes int // since Begin

	// Of ApplyMany: the keys of one table, where they are, and whose they are.
	keys  [ReplayGroup][]byte
	found [ReplayGroup]index.Found
	of    [ReplayGroup]int
}

// ReplayGroup is how many writes ApplyMany looks up side by side.
const ReplayGroup = 16

// Replayed is a write that is to be replayed.
type Replayed struct {
	Table      *Table
	Key, Value []byte
	Delete     bool
	TS         hlc.Timestamp
}

// NewReplayer returns the replayer of worker i, whose commit phase it occupies
// until Close.
func (e *Engine) NewReplayer(i int) *Replayer {
	w := e.workers[i]
	w.stream.Lock()
	// The same data can take a little more memory when it is put back in another
	// order, and what was deleted takes some until it is collected; and a database
	// that was full has to open again.
	w.mem.Cache.Overdraft = arena.LargeOverdraft
	return newReplayer(w)
}

// NewStepReplayer returns a replayer of worker i that occupies its commit phase between
// Begin and End only: for an engine that follows, sealed, whose snapshots are read
// and whose garbage Maintain collects meanwhile. A step of little work costs
// little; one of much work should be cut, as others wait for its end.
//
// Released must not go beyond what is applied: everything at or below, by all replayers,
// up to their End, and nothing of that is replayed again. Then a deletion leaves the
// index when nothing can come any more that it has overtaken.
func (e *Engine) NewStepReplayer(i int) *Replayer {
	r := newReplayer(e.workers[i])
	r.stepped = true
	return r
}

func newReplayer(w *Worker) *Replayer {
	r := &Replayer{w: w, tx: newTx(w.engine, w)}
	r.tx.undo = false
	return r
}

// Close ends the replay.
func (r *Replayer) Close() {
	r.tx.pin.Drop()
	if r.stepped {
		return
	}
	r.w.mem.Cache.Overdraft = arena.NoOverdraft
	r.w.stream.Unlock()
}

// Begin is to be called before a series of writes, End after it: in between,
// memory that is replaced is not freed.
func (r *Replayer) Begin() {
	if r.stepped {
		r.w.stream.Lock()
		r.w.mem.Cache.Overdraft = arena.LargeOverdraft // see NewReplayer
		invariant.Check(r.w.engine.Sealed(), "an engine that executes is replayed into")
	}
	r.tx.pin.Enter()
}

// End is the counterpart of Begin.
func (r *Replayer) End() {
	r.w.engine.noteReplayed(r.last)
	if r.stepped {
		r.w.collect(2*r.deletes+collectPerCommit, collectPerCommit)
		r.deletes = 0
		r.tx.pin.Exit()
		r.w.mem.Cache.Overdraft = arena.NoOverdraft
		r.w.stream.Unlock()
		return
	}
	r.tx.pin.Exit()
	if r.w.mem.Limbo.Len() >= limboBatch {
		r.w.engine.domain.Advance()
		r.w.mem.Limbo.Collect(r.w.mem.Cache, 1<<20)
	}
}

// Put applies a write at ts.
func (r *Replayer) Put(t *Table, key, value []byte, ts hlc.Timestamp) error {
	x := write{table: t, key: key, value: value}
	return r.apply(&x, ts)
}

// Delete applies a deletion at ts.
func (r *Replayer) Delete(t *Table, key []byte, ts hlc.Timestamp) error {
	x := write{table: t, key: key, del: true}
	r.deletes++
	return r.apply(&x, ts)
}

// ApplyMany applies ReplayGroup writes at most, in their order. Most of what a write
// costs is waiting for memory; many can wait at the same time.
func (r *Replayer) ApplyMany(writes []Replayed) error {
	var recs [ReplayGroup]arena.Ref
	r.lookUp(writes, &recs)
	for i := range writes {
		p := &writes[i]
		x := write{table: p.Table, key: p.Key, value: p.Value, del: p.Delete, rec: recs[i]}
		if p.Delete {
			r.deletes++
		}
		if err := r.applyTo(&x, p.TS); err != nil {
			return err
		}
	}
	return nil
}

// lookUp finds the records of writes, and prefetches them, table by table.
func (r *Replayer) lookUp(writes []Replayed, recs *[ReplayGroup]arena.Ref) {
	done := uint32(0)
	for first := range writes {
		if done&(1<<first) != 0 {
			continue
		}
		t, n := writes[first].Table, 0
		for i := first; i < len(writes); i++ {
			if writes[i].Table == t {
				r.keys[n], r.of[n] = writes[i].Key, i
				done |= 1 << i
				n++
			}
		}
		t.getMany(r.keys[:n], r.found[:n])
		for i, at := range r.of[:n] {
			recs[at] = r.found[i].Rec
		}
	}
}

func (r *Replayer) apply(x *write, ts hlc.Timestamp) error {
	x.rec = x.table.get(x.key).Rec
	return r.applyTo(x, ts)
}

// applyTo applies a write to the record that its key has, or had a moment ago.
func (r *Replayer) applyTo(x *write, ts hlc.Timestamp) error {
	r.last = max(r.last, ts)
	for !x.locked {
		if x.rec == 0 {
			made, err := r.w.place(r.tx, x)
			if err != nil {
				return err
			}
			if made {
				break
			}
		}
		r.lock(x)
	}
	if !x.created && x.word.Timestamp() >= ts {
		atomic.StoreUint64((*uint64)(r.tx.ptr(x.rec)), uint64(x.word))
		return nil
	}
	if err := r.w.prepare(r.tx, x, hlc.Timestamp(r.w.engine.snapMax.Load())); err != nil {
		r.tx.writes.entries = append(r.tx.writes.entries[:0], *x)
		r.w.undo(r.tx)
		r.tx.writes.entries = r.tx.writes.entries[:0]
		return memoryFull(err)
	}
	r.w.install(r.tx, x, ts)
	return nil
}

// lock locks the record of x, or finds that the key has none any more.
func (r *Replayer) lock(x *write) {
	word := (*uint64)(r.tx.ptr(x.rec))
	for n := 0; ; n++ {
		v := record.Word(atomic.LoadUint64(word))
		if v&record.Locked != 0 {
			if cpu.Pause(); n%lockSpinsHot == lockSpinsHot-1 {
				runtime.Gosched()
			}
			continue
		}
		if v&record.Dead != 0 {
			x.rec = x.table.get(x.key).Rec
			return
		}
		if atomic.CompareAndSwapUint64(word, uint64(v), uint64(v|record.Locked)) {
			x.word, x.locked = v, true
			return
		}
	}
}

// CollectReplayed frees what deletions at or below applied, and dropped tables, have
// left behind. There must be no replayer, and no write at or below applied that is
// still to be replayed: it would not find the deletion that overtook it.
func (e *Engine) CollectReplayed(applied hlc.Timestamp) {
	e.freeDropped()
	for _, w := range e.workers {
		w.stream.Lock()
		for n := w.tombs.Len(); n > 0; n-- {
			if t := w.tombs.Pop(); t.at > applied {
				w.tombs.Push(t) // the replayed ones are in no order
			} else {
				w.removeTombstone(t, applied)
			}
		}
		w.stream.Unlock()
	}
	e.domain.Advance()
	for _, w := range e.workers {
		w.stream.Lock()
		w.mem.Limbo.Collect(w.mem.Cache, w.mem.Limbo.Len())
		w.stream.Unlock()
	}
	e.keeper.Lock()
	defer e.keeper.Unlock()
	e.keeper.mem.Limbo.Collect(e.keeper.mem.Cache, e.keeper.mem.Limbo.Len())
}

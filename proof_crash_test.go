package godwit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// crashStep is one thing that a client of crashRun does. A client's steps are
// executed in order, so a later one is never there without an earlier one.
type crashStep struct {
	change  string // "create" or "drop": of the client's own table; else a transaction
	writes  []crashWrite
	at      Timestamp // of a transaction
	ordered bool      // of "create"
}

// crashWrite is a write of a transaction: a value, a deletion, or the deletion
// of a range.
type crashWrite struct {
	table, key, to string
	value          string
	del            bool
}

func (w *crashWrite) do(tx *Tx, table *Table) error {
	switch {
	case w.to != "":
		_, err := tx.DeleteRange(table, []byte(w.key), []byte(w.to))
		return err
	case w.del:
		return tx.Delete(table, []byte(w.key))
	}
	return tx.Put(table, []byte(w.key), []byte(w.value))
}

func (w *crashWrite) apply(table map[string]string) {
	switch {
	case w.to != "":
		for k := range table {
			if k >= w.key && k < w.to {
				delete(table, k)
			}
		}
	case w.del:
		delete(table, w.key)
	default:
		table[w.key] = w.value
	}
}

// crashClient runs steps.
type crashClient struct {
	run   *crashRun
	id    int
	rng   *rand.Rand
	own   bool        // its table exists
	steps []crashStep // executed; others read it when the load has ended
	// executed and released count steps: what is released has to survive.
	executed, released atomic.Int64
	pending            []crashPending
	session            *Session
}

type crashPending struct {
	p    *Pending
	step int
}

func (c *crashClient) ownTable() string { return fmt.Sprint("own", c.id) }

func (c *crashClient) progress() string { return fmt.Sprint("\x00progress", c.id) }

// crashRun is one life of a database, from opening to closing, and the states in
// which a power loss would have left the disk at some moments of it.
type crashRun struct {
	t       *testing.T
	life    int
	opts    Options
	fs      *faultfs.FS
	db      *DB
	base    content // at the beginning
	clients []*crashClient
	every   int64 // take a clone at every such operation
	ops     atomic.Int64

	mu     sync.Mutex // one clone at a time
	rng    *rand.Rand
	clones []crashClone
}

// crashClone is the disk after a power loss before the operation what.
type crashClone struct {
	fs       *faultfs.FS
	what     string
	released []int64 // by client
}

// take is called before every operation of the file system.
func (r *crashRun) take(op faultfs.Op) error {
	if op.Kind.Changes() && r.ops.Add(1)%r.every == 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.clone(fmt.Sprint("before ", op))
	}
	return nil
}

func (r *crashRun) clone(what string) {
	c := crashClone{what: fmt.Sprintf("life %d, %s", r.life, what)}
	for _, client := range r.clients {
		c.released = append(c.released, client.released.Load()) // before the disk is looked at
	}
	c.fs = r.fs.Crash(r.rng)
	r.clones = append(r.clones, c)
}

// live opens the database, runs the clients, and closes it.
func (r *crashRun) live(steps int) {
	t := r.t
	r.opts.fs = r.fs
	r.fs.SetHook(r.take)
	db, err := openBare(proofDir, r.opts)
	if err != nil {
		t.Fatalf("life %d: %v", r.life, err)
	}
	r.db = db
	if d := r.base.diff(mustDump(t, db)); d != "" {
		t.Fatalf("life %d: after opening: %s", r.life, d)
	}
	for name, kind := range map[string]TableKind{"o": Ordered, "h": Hashed} {
		if r.base[name] == nil {
			mustTable(t, db, name, kind)
			r.base[name] = map[string]string{}
		}
	}
	must(t, db.log.Sync(t.Context()))
	var wg sync.WaitGroup
	for _, c := range r.clients {
		wg.Go(func() {
			if err := c.work(steps); err != nil {
				t.Errorf("life %d, client %d: %v", r.life, c.id, err)
			}
		})
	}
	wg.Wait()
	must(t, db.Close())
	for _, c := range r.clients {
		c.released.Store(int64(len(c.steps)))
	}
	r.fs.SetHook(nil)
	r.clone("after Close")
}

func (c *crashClient) work(steps int) (err error) {
	ctx := c.run.t.Context()
	if c.session, err = c.run.db.NewSession(); err != nil {
		return err
	}
	defer c.session.Close()
	for range steps {
		last := len(c.steps) > 0 && c.steps[len(c.steps)-1].change != ""
		switch n := c.rng.IntN(40); {
		case n == 0 && !last:
			err = c.changeTable(ctx)
		case n == 1:
			err = c.checkpoint(ctx)
		default:
			err = c.transact(ctx)
		}
		if err != nil {
			return err
		}
	}
	return c.settle(ctx, 0)
}

// changeTable creates or drops the client's own table, under the same name
// again and again.
func (c *crashClient) changeTable(ctx context.Context) error {
	s := crashStep{change: "create", ordered: c.rng.IntN(2) == 0}
	var err error
	if c.own {
		s.change = "drop"
		err = c.run.db.DropTable(ctx, c.ownTable())
	} else {
		kind := Hashed
		if s.ordered {
			kind = Ordered
		}
		_, err = c.run.db.CreateTable(ctx, c.ownTable(), kind)
	}
	if err != nil {
		return err
	}
	c.own = !c.own
	c.steps = append(c.steps, s)
	c.executed.Store(int64(len(c.steps)))
	c.release(len(c.steps))
	return nil
}

// release notes that so many steps are released, if released means durable.
func (c *crashClient) release(steps int) {
	if c.run.opts.Durability == DurabilityDisk {
		c.released.Store(max(c.released.Load(), int64(steps)))
	}
}

// checkpoint makes durable what is executed, in the background mode too.
func (c *crashClient) checkpoint(ctx context.Context) error {
	executed := make([]int64, len(c.run.clients))
	for i, other := range c.run.clients {
		executed[i] = other.executed.Load()
	}
	if err := c.run.db.Checkpoint(ctx); err != nil {
		return err
	}
	for i, other := range c.run.clients {
		for {
			old := other.released.Load()
			if old >= executed[i] || other.released.CompareAndSwap(old, executed[i]) {
				break
			}
		}
	}
	return nil
}

// transact runs a transaction in one of the ways that there are.
func (c *crashClient) transact(ctx context.Context) error {
	s := crashStep{writes: c.draw()}
	run := func(tx *Tx) error {
		for i := range s.writes {
			table, err := c.run.db.Table(s.writes[i].table)
			if err != nil {
				return err
			}
			if err := s.writes[i].do(tx, table); err != nil {
				return err
			}
		}
		return nil
	}
	n := len(c.steps) + 1
	executed := func(ts Timestamp) {
		s.at = ts
		c.steps = append(c.steps, s)
		c.executed.Store(int64(n))
	}
	if c.rng.IntN(4) == 0 {
		ts, err := c.session.Update(run)
		if err != nil {
			return err
		}
		executed(ts)
		if c.session.Released() >= ts {
			c.release(n)
		}
		return nil
	}
	p, err := c.run.db.UpdateAsync(ctx, run)
	if err != nil {
		return err
	}
	executed(p.Timestamp())
	c.pending = append(c.pending, crashPending{p, n})
	return c.settle(ctx, c.rng.IntN(6))
}

// settle waits until at most so many transactions are in flight, and notes those
// that are released anyway.
func (c *crashClient) settle(ctx context.Context, inFlight int) error {
	for len(c.pending) > 0 && (len(c.pending) > inFlight || c.pending[0].p.Released()) {
		if err := c.pending[0].p.Wait(ctx); err != nil {
			return err
		}
		c.release(c.pending[0].step)
		c.pending = c.pending[1:]
	}
	return nil
}

// draw returns the writes of the next transaction. It writes the same to both
// tables, so that one that is half there shows.
func (c *crashClient) draw() []crashWrite {
	n := len(c.steps) + 1
	mark := fmt.Sprintf("%d/%d", c.run.life, n)
	writes := []crashWrite{
		{table: "o", key: c.progress(), value: mark},
		{table: "h", key: c.progress(), value: mark},
	}
	for range c.rng.IntN(5) {
		key := fmt.Sprintf("k%02d", c.rng.IntN(24))
		w := crashWrite{key: key, value: fmt.Sprintf("%d:%s:%s", c.id, mark, strings.Repeat("v", c.length()))}
		w.del = c.rng.IntN(4) == 0
		for _, w.table = range []string{"o", "h"} {
			writes = append(writes, w)
		}
	}
	if c.rng.IntN(8) == 0 {
		from := c.rng.IntN(24)
		writes = append(writes, crashWrite{table: "o", key: fmt.Sprintf("k%02d", from), to: fmt.Sprintf("k%02d", from+c.rng.IntN(6)+1)})
	}
	if c.own {
		writes = append(writes, crashWrite{table: c.ownTable(), key: mark, value: mark})
	}
	return writes
}

func (c *crashClient) length() int {
	switch n := c.rng.IntN(40); {
	case n == 0:
		return c.rng.IntN(100 << 10) // more than a segment
	case n < 8:
		return c.rng.IntN(6 << 10)
	}
	return c.rng.IntN(200)
}

// expect returns what a database has to hold that has these steps of the
// clients, and an error if no moment of the run was like that.
func (r *crashRun) expect(have []int) (content, error) {
	var cut Timestamp
	var all []*crashStep
	for i, c := range r.clients {
		for j := range c.steps[:have[i]] {
			if s := &c.steps[j]; s.change == "" {
				cut = max(cut, s.at)
				all = append(all, s)
			}
		}
	}
	want := r.base.clone()
	for i, c := range r.clients {
		for j := range c.steps {
			if s := &c.steps[j]; s.change == "" && j >= have[i] && s.at < cut {
				return nil, fmt.Errorf("step %d of client %d, at %d, is missing, but there are steps up to %d", j+1, c.id, s.at, cut)
			}
		}
		// Its own table only the client changes, so its own order is enough.
		for _, s := range c.steps[:have[i]] {
			switch s.change {
			case "create":
				want[c.ownTable()] = map[string]string{}
			case "drop":
				delete(want, c.ownTable())
			}
			for _, w := range s.writes {
				if w.table == c.ownTable() {
					w.apply(want[w.table])
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b *crashStep) int { return cmp.Compare(a.at, b.at) })
	for _, s := range all {
		for _, w := range s.writes {
			if w.table == "o" || w.table == "h" {
				w.apply(want[w.table])
			}
		}
	}
	return want, nil
}

// verify opens what a power loss left and checks that it is a state that
// existed and has everything that was released. It returns the state.
func (r *crashRun) verify(c *crashClone, f *faultfs.FS) content {
	r.t.Helper()
	if _, err := f.Stat(filepath.Join(proofDir, folder.IdentityFile)); err == nil {
		// What a power loss leaves is no damage.
		if report, err := check(r.t.Context(), f, proofDir); err != nil || len(report.Problems) > 0 {
			r.t.Fatalf("%s: check says %+v, %v", c.what, report, err)
		}
	}
	opts := r.opts
	opts.fs = f
	db, err := openBare(proofDir, opts)
	if err != nil {
		r.t.Fatalf("%s: %v", c.what, err)
	}
	got, err := dump(db)
	if err := errors.Join(err, db.Close()); err != nil {
		r.t.Fatalf("%s: %v", c.what, err)
	}
	if got["o"] == nil || got["h"] == nil { // before they were there
		if slices.Max(c.released) > 0 {
			r.t.Fatalf("%s: a table is missing", c.what)
		}
		return got
	}
	have := make([]int, len(r.clients))
	for i, client := range r.clients {
		for _, table := range []string{"o", "h"} {
			var life, step int
			if _, err := fmt.Sscanf(got[table][client.progress()], "%d/%d", &life, &step); err == nil && life == r.life {
				have[i] = max(have[i], step)
			}
		}
	}
	want, err := r.expect(have)
	if err != nil {
		r.t.Fatalf("%s: %v", c.what, err)
	}
	// A table that was created or dropped after the last transaction.
	for i, client := range r.clients {
		if have[i] == len(client.steps) || client.steps[have[i]].change == "" {
			continue
		}
		if created := client.steps[have[i]].change == "create"; created == (got[client.ownTable()] != nil) {
			if have[i]++; created {
				want[client.ownTable()] = map[string]string{}
			} else {
				delete(want, client.ownTable())
			}
		}
	}
	for i, n := range c.released {
		if int64(have[i]) < n {
			r.t.Fatalf("%s: client %d has %d steps, but %d were released", c.what, i, have[i], n)
		}
	}
	if d := want.diff(got); d != "" {
		r.t.Fatalf("%s, with the steps %v: %s", c.what, have, d)
	}
	return got
}

// verifyAgain loses power during the recovery too, at every operation.
func (r *crashRun) verifyAgain(c *crashClone, want content) {
	r.t.Helper()
	f := c.fs.Crash(r.rng)
	var again []crashClone
	var mu sync.Mutex
	f.SetHook(func(op faultfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.Changes() && len(again) < 20 {
			again = append(again, crashClone{fs: f.Crash(r.rng), what: fmt.Sprintf("%s, and again before %v", c.what, op)})
		}
		return nil
	})
	opts := r.opts
	opts.fs = f
	db, err := openBare(proofDir, opts)
	if err != nil {
		r.t.Fatalf("%s: %v", c.what, err)
	}
	must(r.t, db.Close())
	for i := 0; i < len(again); i += stride(4) {
		a := again[i]
		opts.fs = a.fs
		db, err := openBare(proofDir, opts)
		if err != nil {
			r.t.Fatalf("%s: %v", a.what, err)
		}
		got, err := dump(db)
		if err := errors.Join(err, db.Close()); err != nil {
			r.t.Fatalf("%s: %v", a.what, err)
		}
		if d := want.diff(got); d != "" {
			r.t.Fatalf("%s: %s", a.what, d)
		}
	}
}

// newCrashRun returns a life of a database that holds base.
func newCrashRun(t *testing.T, rng *rand.Rand, life, clients int, f *faultfs.FS, base content, o Options) *crashRun {
	r := &crashRun{t: t, life: life, opts: o, fs: f, base: base, rng: rand.New(rand.NewPCG(rng.Uint64(), 1)), every: 1}
	for i := range clients {
		c := &crashClient{run: r, id: i, rng: rand.New(rand.NewPCG(rng.Uint64(), 2))}
		c.own = base[c.ownTable()] != nil
		r.clients = append(r.clients, c)
	}
	return r
}

func drawCrashOptions(rng *rand.Rand, d Durability) Options {
	return Options{
		Durability:      d,
		SyncInterval:    time.Duration(1+rng.IntN(20)) * time.Millisecond,
		MemoryLimit:     MinMemoryLimit,
		Workers:         1 + rng.IntN(4),
		CheckpointBytes: -1,
		LogSegmentBytes: 32 << 10 << rng.IntN(4),
	}
}

func forDurabilities(t *testing.T, test func(t *testing.T, d Durability)) {
	for _, d := range []Durability{DurabilityDisk, DurabilityBackground} {
		t.Run(d.String(), func(t *testing.T) { test(t, d) })
	}
}

func TestProofPowerLossAtEveryOperation(t *testing.T) {
	forDurabilities(t, func(t *testing.T, d Durability) {
		forSeeds(t, 2, func(t *testing.T, seed uint64) {
			rng := rand.New(rand.NewPCG(seed, uint64(d)))
			r := newCrashRun(t, rng, 0, 2, faultfs.New(seed), content{}, drawCrashOptions(rng, d))
			r.every = int64(stride(4))
			r.live(25)
			for i := range r.clones {
				r.verify(&r.clones[i], r.clones[i].fs)
			}
			t.Logf("%d power losses", len(r.clones))
		})
	})
}

func TestProofPowerLossAgainAndAgain(t *testing.T) {
	forDurabilities(t, func(t *testing.T, d Durability) {
		forSeeds(t, 6, func(t *testing.T, seed uint64) {
			rng := rand.New(rand.NewPCG(seed, 10+uint64(d)))
			f, base := faultfs.New(seed), content{}
			for life := range 4 {
				r := newCrashRun(t, rng, life, 4, f, base, drawCrashOptions(rng, d))
				r.every = (10 + rng.Int64N(40)) * int64(stride(3))
				r.live(60)
				next := rng.IntN(len(r.clones))
				for i := range r.clones {
					c := &r.clones[i]
					copied := c.fs.Crash(rng) // everything in it is durable: it is the same
					got := r.verify(c, copied)
					if i != next {
						continue
					}
					r.verifyAgain(c, got)
					base = got
					if f = c.fs; rng.IntN(2) == 0 {
						f = copied // opened and closed meanwhile
					}
				}
			}
		})
	})
}

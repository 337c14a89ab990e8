package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// metaRun applies a random sequence of operations to a database and to a
// naive model, and compares all results. The sequence depends on the seed alone,
// not on the options of the database.
type metaRun struct {
	t    *testing.T
	rng  *rand.Rand // draws the sequence
	opts Options
	disk *rand.Rand // decides what a crash leaves
	fs   *faultfs.FS
	dir  string
	db   *DB

	model content
	kinds map[string]TableKind
	snaps []metaSnapshot
	log   []string // the results, to compare those of different databases
	tx    *Tx      // whose operations are being compared
}

type metaSnapshot struct {
	s      *Snapshot
	tables map[string]*Table
	model  content
}

var metaNames = []string{"a", "b", "c"}

// errRollback ends a transaction that is to have no effect.
var errRollback = errors.New("rolled back")

func (m *metaRun) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// agree fails if the database's result is not the model's.
func (m *metaRun) agree(what string, got, want any) {
	m.t.Helper()
	if m.tx != nil && m.tx.Err() != nil {
		return // the attempt was overtaken, by garbage collection, and is made again
	}
	g, w := fmt.Sprint(got), fmt.Sprint(want)
	m.note("%s: %s", what, w)
	if g != w {
		m.t.Fatalf("%s: got %.300s\nwant %.300s\nafter %d results, the last ones:\n%s", what, g, w, len(m.log), strings.Join(m.log[max(0, len(m.log)-8):], "\n"))
	}
}

func (m *metaRun) open() {
	m.opts.fs = m.fs
	db, err := openBare(m.dir, m.opts)
	must(m.t, err)
	m.db = db
}

func (m *metaRun) close() {
	for _, s := range m.snaps {
		s.s.Close()
	}
	m.snaps = nil
	must(m.t, m.db.Close())
}

// verify compares everything.
func (m *metaRun) verify(what string) {
	m.t.Helper()
	if d := m.model.diff(mustDump(m.t, m.db)); d != "" {
		m.t.Fatalf("%s: %s\nafter %d results, the last ones:\n%s", what, d, len(m.log), strings.Join(m.log[max(0, len(m.log)-8):], "\n"))
	}
	for _, name := range slices.Sorted(maps.Keys(m.kinds)) {
		table, err := m.db.Table(name)
		must(m.t, err)
		m.agree(what+" kind of "+name, table.Kind(), m.kinds[name])
	}
}

func (m *metaRun) step() {
	ctx := m.t.Context()
	switch n := m.rng.IntN(100); {
	case n < 6:
		m.create(ctx)
	case n < 8:
		m.drop(ctx)
	case n < 13:
		m.openSnapshot(ctx)
	case n < 20:
		m.readSnapshot(ctx)
	case n < 24:
		m.closeSnapshot()
	case n < 26:
		must(m.t, m.db.Checkpoint(ctx))
	case n < 27:
		m.restore(ctx)
	case n < 28:
		m.close()
		m.open()
		m.verify("reopened")
	case n < 30:
		m.crash(ctx)
	case n < 45:
		m.transact(ctx, false)
	default:
		m.transact(ctx, true)
	}
}

func (m *metaRun) create(ctx context.Context) {
	name, kind := metaNames[m.rng.IntN(len(metaNames))], TableKind(1+m.rng.IntN(2))
	_, err := m.db.CreateTable(ctx, name, kind)
	m.agree("create "+name, errors.Is(err, ErrExists), m.model[name] != nil)
	if m.model[name] == nil {
		must(m.t, err)
		m.model[name], m.kinds[name] = map[string]string{}, kind
	}
}

func (m *metaRun) drop(ctx context.Context) {
	name := metaNames[m.rng.IntN(len(metaNames))]
	err := m.db.DropTable(ctx, name)
	m.agree("drop "+name, errors.Is(err, ErrNoTable), m.model[name] == nil)
	delete(m.model, name)
	delete(m.kinds, name)
}

func (m *metaRun) tables() map[string]*Table {
	all := map[string]*Table{}
	for _, table := range m.db.Tables() {
		all[table.Name()] = table
	}
	return all
}

func (m *metaRun) openSnapshot(ctx context.Context) {
	if len(m.snaps) == 3 {
		return
	}
	s, err := m.db.Snapshot(ctx)
	must(m.t, err)
	m.snaps = append(m.snaps, metaSnapshot{s, m.tables(), m.model.clone()})
}

func (m *metaRun) readSnapshot(ctx context.Context) {
	if len(m.snaps) == 0 {
		return
	}
	s := m.snaps[m.rng.IntN(len(m.snaps))]
	if len(s.tables) == 0 {
		return
	}
	seed := m.rng.Uint64()
	must(m.t, s.s.View(ctx, func(tx *Tx) error {
		return m.operate(tx, rand.New(rand.NewPCG(seed, 1)), s.tables, s.model, false)
	}))
}

func (m *metaRun) closeSnapshot() {
	if len(m.snaps) > 0 {
		i := m.rng.IntN(len(m.snaps))
		m.snaps[i].s.Close()
		m.snaps = slices.Delete(m.snaps, i, i+1)
	}
}

// restore goes on with what is restored from a backup, in another folder.
func (m *metaRun) restore(ctx context.Context) {
	var backup bytes.Buffer
	must(m.t, m.db.Backup(ctx, &backup))
	m.close()
	m.dir += "+"
	must(m.t, restore(ctx, m.fs, m.dir, &backup))
	m.open()
	m.verify("restored")
}

// crash loses power. What a database in the background has not written yet is
// written first: how much would be lost is not the same for all.
func (m *metaRun) crash(ctx context.Context) {
	if m.opts.Durability == DurabilityBackground {
		must(m.t, m.db.log.Sync(ctx))
	}
	f := m.fs.Crash(m.disk)
	m.close()
	m.fs = f
	m.open()
	m.verify("after a crash")
}

// transact runs a transaction of several operations, in one of the ways.
func (m *metaRun) transact(ctx context.Context, writes bool) {
	tables := m.tables()
	if len(tables) == 0 {
		return
	}
	seed, way, rollback := m.rng.Uint64(), m.rng.IntN(4), m.rng.IntN(8) == 0
	var after content
	mark := len(m.log)
	run := func(tx *Tx) error {
		m.log = m.log[:mark] // garbage collection can be in a transaction's way
		after = m.model.clone()
		if err := m.operate(tx, rand.New(rand.NewPCG(seed, 1)), tables, after, writes); err != nil {
			return err
		}
		if rollback {
			return errRollback
		}
		return nil
	}
	var err error
	switch {
	case !writes:
		err = m.db.View(ctx, run)
	case way == 0:
		var p *Pending
		if p, err = m.db.UpdateAsync(ctx, run); err == nil {
			err = p.Wait(ctx)
		}
	case way == 1:
		var s *Session
		s, err = m.db.NewSession()
		must(m.t, err)
		var ts Timestamp
		ts, err = s.Update(run)
		poll(m.t, func() error {
			if s.Released() < ts {
				return errors.New("it is not released")
			}
			return nil
		})
		s.Close()
	default:
		err = m.db.Update(ctx, run)
	}
	if rollback {
		m.agree("rollback", errors.Is(err, errRollback), true)
		return
	}
	must(m.t, err)
	m.model = after
}

func metaKey(rng *rand.Rand) string {
	switch rng.IntN(20) {
	case 0:
		return ""
	case 1:
		return strings.Repeat("L", 4000) + fmt.Sprint(rng.IntN(4))
	}
	return fmt.Sprintf("%x", rng.IntN(300))
}

func metaValue(rng *rand.Rand) string {
	n := rng.IntN(60)
	switch rng.IntN(30) {
	case 0:
		n = 2000 + rng.IntN(200) // about where values get a place of their own
	case 1:
		n = rng.IntN(150 << 10)
	}
	return strings.Repeat(string(rune('a'+rng.IntN(26))), n)
}

// operate runs operations in a transaction and on the model, which it changes.
func (m *metaRun) operate(tx *Tx, rng *rand.Rand, tables map[string]*Table, model content, writes bool) error {
	m.tx = tx
	defer func() { m.tx = nil }()
	names := slices.Sorted(maps.Keys(tables))
	for range 1 + rng.IntN(12) {
		name := names[rng.IntN(len(names))]
		if err := m.operation(tx, rng, tables[name], model[name], writes); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

func (m *metaRun) operation(tx *Tx, rng *rand.Rand, table *Table, rows map[string]string, writes bool) error {
	key := metaKey(rng)
	n := rng.IntN(6)
	if writes {
		n = rng.IntN(20)
	}
	switch {
	case n < 2:
		v, err := tx.Get(table, []byte(key))
		if tx.Err() != nil {
			return tx.Err()
		}
		want, ok := rows[key]
		m.agree("get", fmt.Sprint(string(v), errors.Is(err, ErrNotFound)), fmt.Sprint(want, !ok))
	case n < 3:
		keys, values, want := make([][]byte, 5), make([][]byte, 5), make([]string, 5)
		for i := range keys {
			k := metaKey(rng)
			keys[i] = []byte(k)
			v, ok := rows[k]
			want[i] = fmt.Sprint(v, ok)
		}
		if err := tx.GetMany(table, keys, values); err != nil {
			return err
		}
		got := make([]string, 5)
		for i, v := range values {
			got[i] = fmt.Sprint(string(v), v != nil)
		}
		m.agree("get many", got, want)
	case n < 6:
		return m.scan(tx, rng, table, rows)
	case n < 14:
		v := metaValue(rng)
		rows[key] = v
		return tx.Put(table, []byte(key), []byte(v))
	case n < 16:
		v := metaValue(rng)
		err := tx.Insert(table, []byte(key), []byte(v))
		if tx.Err() != nil {
			return tx.Err()
		}
		_, there := rows[key]
		m.agree("insert", errors.Is(err, ErrExists), there)
		if !there {
			rows[key] = v
			return err
		}
	case n < 19:
		delete(rows, key)
		return tx.Delete(table, []byte(key))
	default:
		from, to := metaKey(rng), metaKey(rng)
		got, err := tx.DeleteRange(table, []byte(from), []byte(to))
		if table.Kind() == Hashed {
			m.agree("delete a range of a hashed table", errors.Is(err, ErrNoOrder), true)
			return nil
		}
		if err != nil {
			return err
		}
		want := between(rows, from, to)
		m.agree("delete range", got, len(want))
		for _, k := range want {
			delete(rows, k)
		}
	}
	return nil
}

// between returns the keys of a range in order.
func between(rows map[string]string, from, to string) []string {
	var keys []string
	for k := range rows {
		if k >= from && k < to {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (m *metaRun) scan(tx *Tx, rng *rand.Rand, table *Table, rows map[string]string) error {
	from, to := metaKey(rng), metaKey(rng)
	r := Range{From: []byte(from), To: []byte(to), Reverse: rng.IntN(2) == 0, Limit: rng.IntN(3) * 7}
	if rng.IntN(3) == 0 {
		to, r.To = "~", nil // behind all keys
	}
	if table.Kind() == Hashed {
		return nil // it would end the transaction
	}
	want := between(rows, from, to)
	if r.Reverse {
		slices.Reverse(want)
	}
	if r.Limit > 0 {
		want = want[:min(r.Limit, len(want))]
	}
	for i, k := range want {
		want[i] = k + "=" + rows[k]
	}
	var got []string
	for k, v := range tx.Scan(table, r) {
		got = append(got, string(k)+"="+string(v))
	}
	if tx.Err() != nil { // overtaken, so what it saw does not count
		return tx.Err()
	}
	m.agree("scan", got, want)
	return nil
}

// drawMetaOptions returns any options.
func drawMetaOptions(rng *rand.Rand) Options {
	return Options{
		Durability:      []Durability{DurabilityDisk, DurabilityBackground}[rng.IntN(2)],
		SyncInterval:    time.Duration(1+rng.IntN(50)) * time.Millisecond,
		MemoryLimit:     (32 + rng.Int64N(32)) << 20,
		Workers:         1 + rng.IntN(8),
		CheckpointBytes: []int64{-1, 64 << 10, 1 << 20}[rng.IntN(3)],
		LogSegmentBytes: 32 << 10 << rng.IntN(6),
	}
}

func TestProofMetamorphic(t *testing.T) {
	forSeeds(t, 4, func(t *testing.T, seed uint64) {
		var first []string
		for variant := range uint64(3) {
			rng := rand.New(rand.NewPCG(seed, 100+variant))
			m := &metaRun{
				t: t, rng: rand.New(rand.NewPCG(seed, 7)), disk: rng, opts: drawMetaOptions(rng),
				fs: faultfs.New(rng.Uint64()), dir: proofDir, model: content{}, kinds: map[string]TableKind{},
			}
			m.open()
			for range 300 {
				m.step()
			}
			m.verify("at the end")
			m.close()
			if variant == 0 {
				first = m.log
			} else if !slices.Equal(first, m.log) {
				i := 0
				for i < min(len(first), len(m.log)) && first[i] == m.log[i] {
					i++
				}
				t.Fatalf("the results depend on the options, from %d on:\n%.500q\n%.500q", i, first[i:min(i+3, len(first))], m.log[i:min(i+3, len(m.log))])
			}
		}
	})
}

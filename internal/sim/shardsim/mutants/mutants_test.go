package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/shardsim"
)

const (
	applyGo    = "internal/shard/apply.go"
	catalogGo  = "internal/shard/catalog.go"
	folderGo   = "internal/shard/folder.go"
	followGo   = "internal/shard/follow.go"
	leadGo     = "internal/shard/lead.go"
	onceGo     = "internal/once/once.go"
	confirmGo  = "internal/shard/confirm.go"
	snapshotGo = "internal/shard/snapshot.go"
)

// wrong are mistakes that break a promise.
func wrong() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "replay up to a round's last timestamp", File: applyGo, Seed: 38, Edits: []string{
			"upTo = max(upTo, r.Watermark)", "upTo = max(upTo, r.Last)",
		}},
		{Name: "records above the final watermark are applied", File: applyGo, Seed: 8, Edits: []string{
			"	err := a.apply(final)\n", "	err := a.apply(max(final, a.last))\n",
		}},
		{Name: "the clock is not above the adopted log", File: applyGo, Seed: 27, Edits: []string{
			"a.last = max(a.last, r.Last)", "a.last = max(a.last, 0)",
		}},
		{Name: "a deposed leader takes nothing back", File: followGo, Seed: 10, Edits: []string{
			"return r.engine.RollBack(certain)", "return nil",
		}},
		{Name: "a deposed leader tells all that they are certain", File: followGo, Seed: 10, Edits: []string{
			"l.course.End(speculate.Point(f.Watermark))", "l.course.End(speculate.Point(r.clock.Last()))",
		}},
		{Name: "a deposed leader does not replay what it takes back", File: followGo, Seed: 571, Edits: []string{
			"	r.applier.resume(base,", "	base.Number = wal.RoundNumber(r.group.Commit().Value())\n	r.applier.resume(base,",
		}},
		{Name: "execution begins before the adopted log is applied", File: followGo, Seed: 10, Edits: []string{
			"case r.applier.next <= commit:", "case r.applier.next <= commit && (l == nil || !l.Opened.Decided() || l.Ended.Decided()):",
		}},
		{Name: "released before it is durable", File: leadGo, Seed: 5, Edits: []string{
			"		if err := r.group.Commit().Wait(ctx, uint64(round.Number)); err != nil {\n			return err\n		}\n", "",
		}},
		{Name: "a deposed leader's engine is not sealed", File: leadGo, Seed: 4, Edits: []string{
			"func() error { r.engine.Seal(); return nil }", "func() error { return nil }",
		}},
		{Name: "a read without asking who follows", File: snapshotGo, Seed: 724, Edits: []string{
			"	err := r.group.Confirm(ctx)\n", "	var err error\n",
		}},
		{Name: "what was read is shown without asking who follows", File: confirmGo, Seed: 1805, Edits: []string{
			"	if x.Wrote {\n		x.lead.Notify(", "	if x.Wrote || x.lead != nil {\n		x.lead.Notify(",
		}},
		{Name: "a question that was asked before says who led", File: "internal/stream/lead.go", Seed: 423, Edits: []string{
			"return l.question.Load() + 1 }", "return l.question.Load() }",
		}},
		{Name: "a snapshot of what is executed is not waited for", File: snapshotGo, Seed: 75, Edits: []string{
			"	for err == nil && r.leading.Load() == l && !certain.Decided() {\n", "	for certain.Decided() && err != nil {\n",
		}},
		{Name: "a fetched checkpoint goes with the old log", File: folderGo, Seed: 16, Edits: []string{
			"	if f.has(base) {\n", "	if f.has(base) || base.Number > 0 {\n",
		}},
		{Name: "results are released up to a round's last timestamp", File: leadGo, Seed: 390, Edits: []string{
			"		r.release(round.Watermark)\n", "		round.Watermark = round.Last\n		r.release(round.Watermark)\n",
		}},
		{Name: "closed timestamps are ignored", File: "internal/wal/gathering.go", Seed: 10, Edits: []string{
			"		g.closed = min(g.closed, b.Closed)\n", "		g.closed = max(g.closed%hlc.Max, b.Closed)\n",
		}},
		{Name: "a request is forgotten", File: onceGo, Seed: 3, Edits: []string{
			"return tx.Put(table, clientKey(q), append(value, answer...))\n", "_ = append(value, answer...)\n\treturn nil\n",
		}},
		{Name: "a dropped table stays dropped when that is taken back", File: "internal/occ/rollback.go", Seed: 1274, Edits: []string{
			"	e.undropTables(final)\n", "",
		}},
		{Name: "a deposed leader does not look which tables there are", File: followGo, Seed: 124, Edits: []string{
			"	if err := r.readCatalog(ctx, certain); err != nil {\n		return err\n	}\n", "",
		}},
		{Name: "a follower keeps dropped tables", File: catalogGo, Seed: 10, Edits: []string{
			"				c.engine.DropTable(t, applied)\n", "				_ = t\n",
		}},
		{Name: "tables follow the rows in the order of the streams", File: catalogGo, Seed: 216, Edits: []string{
			"	slices.SortStableFunc(c.mu.changes,", "	slices.SortStableFunc(c.mu.changes[:0],",
		}},
		{Name: "the tables of a checkpoint are not known", File: "internal/shard/open.go", Seed: 327, Edits: []string{
			"		err = r.readCatalog(ctx, f.manifest.Timestamp)\n", "",
		}},
		{Name: "numbers of tables are given again", File: "internal/catalog/catalog.go", Seed: 10, Edits: []string{
			"binary.LittleEndian.AppendUint32(nil, number+1)); err", "binary.LittleEndian.AppendUint32(nil, number+min(1, uint32(4-min(4, number))))); err",
		}},
	}
}

// TestVictim fails at the first seed that finds something; with the replica as it is
// there is none.
func TestVictim(t *testing.T) {
	hunt := shardsim.Scenarios()[1]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1500, func(seed uint64) error { return sim.Replay(hunt, seed, nil).Err })
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestVictim", wrong())
}

// lost are mistakes with disks that are lost.
func lost() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a member counts with whatever folder it has", File: "internal/stream/members.go", Seed: 229, Edits: []string{
			"return expected == wal.FolderID{} || expected == folder", "return true || expected == folder",
		}},
	}
}

// TestLostVictim is TestVictim for members that lose their disks.
func TestLostVictim(t *testing.T) {
	faults := shardsim.Scenarios()[0]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1500, func(seed uint64) error { return sim.Replay(faults, seed, nil).Err })
}

func TestLostIsFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestLostVictim", lost())
}

// directed are mistakes that the simulation does not show, with its one thread, or too rarely.
func directed() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a table stays closed when its drop is given up", File: catalogGo, Tests: "^TestDropGivenUp$", Edits: []string{
			"		r.engine.ReopenTable(table)\n", "		_ = table\n",
		}},
		{Name: "what is above the final watermark is kept for the next epoch", File: applyGo, Tests: "^TestReplayInParallel$", Edits: []string{
			"	clear(a.open)\n	a.open = a.open[:0]\n	return err\n", "	return err\n",
		}},
		{Name: "a checkpoint counts a round whose watermark only it holds", File: "internal/shard/base.go", Tests: "^TestBaseIsAllReleased$", Edits: []string{
			"b.list[n+1].Last <= released && over(n)", "b.list[n+1].Watermark <= released && over(n)",
			"b.list[0].Last > released", "b.list[0].Watermark > released",
		}},
		{Name: "a snapshot is opened within a step", File: snapshotGo, Tests: "^TestSnapshotsBesideReplay$", Edits: []string{
			"		if !r.moving {\n", "		if !r.moving || r.wanted == 0 {\n",
		}},
		{Name: "two streams have the lock of a record", File: "internal/occ/replay.go", Tests: "^TestReplayInParallel$", Edits: []string{
			"		if atomic.CompareAndSwapUint64(word, uint64(v), uint64(v|record.Locked)) {\n", "		if invariant.Yield(); atomic.SwapUint64(word, uint64(v|record.Locked)) > 0 {\n",
		}},
		{Name: "a stream's older write is put above a newer one", File: "internal/occ/replay.go", Tests: "^TestReplayInParallel$", Edits: []string{
			"	if !x.created && x.word.Timestamp() >= ts {\n", "	if !x.created && x.word.Timestamp() == ts {\n",
		}},
	}
}

// The replica's own tests find these.
func TestDirectedAreFound(t *testing.T) {
	mutant.Kill(t, "../../../..", "../../../shard", directed())
}

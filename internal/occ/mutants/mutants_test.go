package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
)

const (
	commitGo       = "internal/occ/commit.go"
	installGo      = "internal/occ/install.go"
	readGo         = "internal/occ/read.go"
	rollbackGo     = "internal/occ/rollback.go"
	snapshotGo     = "internal/occ/snapshot.go"
	snapshotReadGo = "internal/occ/snapshot_read.go"
	workerGo       = "internal/occ/worker.go"
)

// undo are mistakes in what takes executed transactions back.
func undo() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "keys that are new are forgotten", File: installGo, Tests: "^TestTombstonesAfterARollback$", Edits: []string{
			"		w.undoable.Push(change{rec: x.rec, at: ts, table: x.table.id})\n", "",
		}},
		{Name: "changes are taken back in the order in which they were made", File: rollbackGo, Tests: "^TestUndoOracle$", Edits: []string{
			"cmp.Compare(b.change.at, a.change.at)", "cmp.Compare(a.change.at, b.change.at)",
			"	if invariant.Enabled {\n		first :=", "	if false {\n		first :=",
		}},
		{Name: "a version that a snapshot needs is not linked", File: installGo, Tests: "^TestUndoOracle$", Edits: []string{
			"	switch {\n	case x.linked:\n", "	x.linked = x.linked && !tx.undo\n	switch {\n	case x.linked:\n",
		}},
		{Name: "a snapshot that was rolled back can be read", File: snapshotGo, Tests: "^TestUndoOracle$", Edits: []string{
			"		e.snaps.open[n-1].void.Store(true)\n", "",
		}},
		{Name: "what ran before commits in another term", File: workerGo, Tests: "^Test(UndoOracle|WordsThatComeBack)$", Edits: []string{
			"		if err := tx.sameTerm(); err != nil {", "		if err := tx.sameTerm(); isSealed(tx.term) {",
		}},
		{Name: "a word that has come back is believed", File: readGo, Tests: "^TestWordsThatComeBack$", Edits: []string{
			" == w && tx.inTerm() {", " == w {",
		}},
		{Name: "a snapshot follows what a rollback has cut off", File: snapshotReadGo, Tests: "^TestChainsThatAreCut$", Edits: []string{
			"		invariant.Yield()\n", "		for range 16 {\n			invariant.Yield()\n		}\n",
			"		if record.Word(atomic.LoadUint64((*uint64)(p))) != w {", "		if false {",
		}},
	}
}

// order are mistakes in the order of timestamps.
func order() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "the timestamp is taken behind the validation", File: commitGo, Tests: "^TestTimestampsAreTheSerialOrder$", Edits: []string{
			"	ts := w.engine.clock.Next()\n	if !tx.valid() {\n		w.undo(tx)\n		return 0, tx.fail(ErrConflict)\n	}\n",
			"	if !tx.valid() {\n		w.undo(tx)\n		return 0, tx.fail(ErrConflict)\n	}\n	for range 16 {\n		invariant.Yield()\n	}\n	ts := w.engine.clock.Next()\n",
		}},
	}
}

// Every planted mistake is found. (Where one opens a window of two instructions, it holds that open.)
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds package occ anew for each mutant")
	}
	mutant.Kill(t, "../../..", "..", append(undo(), order()...))
}

package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
)

const (
	treeGo       = "internal/index/tree.go"
	treeInsertGo = "internal/index/tree_insert.go"
	treeRemoveGo = "internal/index/tree_remove.go"
	treeSplitGo  = "internal/index/tree_split.go"
	treePageGo   = "internal/index/tree_page.go"
	hashGo       = "internal/index/hash.go"
	hashChangeGo = "internal/index/hash_change.go"
	hashGrowGo   = "internal/index/hash_grow.go"
)

// tree are mistakes in Tree.
func tree() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an insert leaves the version", File: treeInsertGo, Tests: "^TestTree(QueueStaysSmall|VersionsGuardRanges)$", Edits: []string{
			"		n.unlock(v)\n		return 0, append", "		n.unlockUnchanged(v)\n		return 0, append",
		}},
		{Name: "a split leaves the parent's version", File: treeSplitGo, Tests: "^TestTreeStepNoticesChanges$", Edits: []string{
			"	n.unlock(v)\n	invariant.Yield()\n	parent.unlock(pv)", "	n.unlock(v)\n	parent.unlockUnchanged(pv)",
		}},
		{Name: "a split root is unlocked before there is a new one", File: treeSplitGo, Tests: "^TestTreeRootConcurrent$", Edits: []string{
			"		t.root.Store(uint64(pieces.root))\n		invariant.Yield()\n		n.unlock(v)", "		n.unlock(v)\n		for range 16 {\n			invariant.Yield()\n		}\n		t.root.Store(uint64(pieces.root))",
		}},
		{Name: "a split locks only the leaf", File: treeSplitGo, Tests: "^TestTreeSplitLocksWhatItDecidedOn$", Edits: []string{
			"	if parent.p != nil && !parent.tryLock(pv) {\n		return false\n	}", "	if parent.p != nil {\n		parent.tryLock(pv)\n	}",
		}},
		{Name: "a merge leaves the right leaf's version", File: treeRemoveGo, Tests: "^TestTreeMergedLeavesStayObsolete$", Edits: []string{
			"	r.unlockObsolete(rv)\n", "	r.unlockUnchanged(rv)\n",
		}},
		{Name: "a merge does not count again under its locks", File: treeRemoveGo, Tests: "^TestTreeMergeCountsUnderItsLocks$", Edits: []string{
			"	if !fits || !r.tryLock(rv) {", "	if _ = fits; !r.tryLock(rv) {",
		}},
		{Name: "a merge does not lock the right leaf", File: treeRemoveGo, Tests: "^TestTree(Root)?Concurrent$", Edits: []string{
			"	if !fits || !r.tryLock(rv) {", "	if !fits {",
		}},
		{Name: "a merged leaf is freed at once", File: treeGo, Tests: "^TestTreeNodesAndFencesOutliveReaders$", Edits: []string{
			"	m.Limbo.Retire(t.refOf(n), nodeBytes)", "	m.Cache.Free(t.refOf(n), nodeBytes)",
		}},
		{Name: "a lookup does not look at its leaf again", File: treeGo, Tests: "^TestTree(Root)?Concurrent$", Edits: []string{
			"		slot, ask, ok := t.find(n, v, n.meta(), &k)\n		if !ok || n.word() != v {", "		slot, ask, ok := t.find(n, v, n.meta(), &k)\n		if !ok {",
		}},
		{Name: "a step follows the leavings of a change", File: treeGo, Tests: "^TestTreeStepKeepsOffTheLeavingsOfAChange$", Edits: []string{
			"	if n.word() != v {\n		return node{}, 0, false\n	}\n	c := t.node(r)", "	c := t.node(r)",
		}},
		{Name: "a step does not look at the parent again", File: treeGo, Tests: "^TestTree(Root)?Concurrent$", Edits: []string{
			"return c, cv, n.word() == v && cv&obsoleteBit == 0", "return c, cv, cv&obsoleteBit == 0",
		}},
		{Name: "a page is not validated", File: treePageGo, Tests: "^TestTree(Root)?Concurrent$", Edits: []string{
			"	p.Node, p.Version, p.More = t.refOf(n), v, more\n	return n.word() == v", "	p.Node, p.Version, p.More = t.refOf(n), v, more\n	return true",
		}},
	}
}

// hash are mistakes in Hash.
func hash() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an insert leaves the version", File: hashChangeGo, Tests: "^TestHash(Concurrent|Phantoms)$", Edits: []string{
			"			after := at.version + bucketChanged\n", "			after := at.version\n",
		}},
		{Name: "a bucket that has changed is locked", File: hashChangeGo, Tests: "^TestHash(Concurrent|Contended)$", Edits: []string{
			"	return atomic.CompareAndSwapUint64((*uint64)(h.ptr(at.node)), at.version, at.version|bucketLocked)", "	h.lockBucket(at.node)\n	return true",
		}},
		{Name: "an overflow bucket is freed at once", File: hashChangeGo, Tests: "^TestHashOverflowBucketsOutliveReaders$", Edits: []string{
			"		m.Limbo.Retire(overflow, bucketBytes)", "		m.Cache.Free(overflow, bucketBytes)",
		}},
		{Name: "a lookup does not look again", File: hashGo, Tests: "^TestHash(Concurrent|ReadersSeeNoLockedBucket)$", Edits: []string{
			"!belongs(hv, i, v) || atomic.LoadUint64((*uint64)(p)) != v {\n		return h.getSlow", "!belongs(hv, i, v) {\n		return h.getSlow",
		}},
		{Name: "a lookup goes by an old number of buckets", File: hashGo, Tests: "^TestHashReaderWithOldState$", Edits: []string{
			"|| !belongs(hv, i, v) || atomic.LoadUint64((*uint64)(p)) != v {\n		return h.getSlow", "|| atomic.LoadUint64((*uint64)(p)) != v {\n		return h.getSlow",
		}},
		{Name: "a walk follows the leavings of a change", File: hashGo, Tests: "^TestHash(Concurrent|ReadersSeeNoLockedBucket)$", Edits: []string{
			"		if atomic.LoadUint64(version) != at.version {\n			return at, false\n		}\n		if !isLink(s) {", "		if !isLink(s) {",
		}},
		{Name: "a new bucket is there before it is filled", File: hashGrowGo, Tests: "^TestHashConcurrent$", Edits: []string{
			"	overflow = h.fill(left, 8, slots[:stay], overflow)\n	overflow = h.fill(right, 8, slots[stay:], overflow)\n\n	if n+1 == 2<<level {\n		level++\n	}\n	h.state.Store((n+1)<<8 | uint64(level))\n",
			"	if n+1 == 2<<level {\n		level++\n	}\n	h.state.Store((n+1)<<8 | uint64(level))\n	for range 16 {\n		invariant.Yield()\n	}\n	overflow = h.fill(left, 8, slots[:stay], overflow)\n	overflow = h.fill(right, 8, slots[stay:], overflow)\n",
		}},
		{Name: "two split at once", File: hashGrowGo, Tests: "^TestHash(Concurrent|Contended)$", Edits: []string{
			"h.due(n) == 0 || !h.splitting.CompareAndSwap(false, true) {", "h.due(n) == 0 {",
		}},
	}
}

// Every planted mistake is found. (Where one opens a window of two instructions, it holds that
// open: the tests cannot count on a goroutine that is stopped in there.)
func TestMutantsAreFound(t *testing.T) {
	t.Run("Tree", func(t *testing.T) { mutant.Kill(t, "../../..", "..", tree()) })
	t.Run("Hash", func(t *testing.T) { mutant.Kill(t, "../../..", "..", hash()) })
}

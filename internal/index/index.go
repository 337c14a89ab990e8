package index

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/epoch"
)

// Found is where a key was looked up: the record (0 if missing), and the node
// and its version that guard the answer.
type Found struct {
	Rec, Node arena.Ref
	Version   uint64
}

// Mem is what an index needs to allocate and retire: the caller's worker's.
type Mem struct {
	Cache *arena.Cache
	Limbo *epoch.Limbo
}

// Change tells what an insert did to node versions, so that a transaction can
// keep its own node set valid.
type Change struct {
	Node          arena.Ref
	Before, After uint64
	// Right is not 0 if Node was split: Right holds a part of it.
	Right        arena.Ref
	RightVersion uint64
}

// CurrentVersion returns the version of a node, which may be locked. The word is
// at offset 0 of every node.
func CurrentVersion(a *arena.Arena, node arena.Ref) uint64 {
	return atomic.LoadUint64((*uint64)(a.Ptr(node)))
}

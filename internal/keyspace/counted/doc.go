// Package counted is a counted B+-tree, also called an order-statistic tree:
// entries in order, found by what they are or by their rank. Its nodes are
// values in a key-value store, one record each, so an operation on a tree of n
// entries reads and writes O(log n) records. It keeps the order of a sorted set.
//
// # Entries
//
// An entry is a score and a member. The order is by score, then by member,
// bytewise. Minus zero is zero: it comes back as zero. NaN has no place in the
// order and must not be given.
//
// # Nodes
//
// Level 0 has the leaves. A leaf has entries; an interior node has children, each
// with the number of entries below it and a separator: a lower bound of the
// child's entries, above all those of the child before it. All integers are little-endian:
//
//	level     uint8
//	n         uint8, how many slots: 1 to 64, in an interior node at least 2
//	slots     n of a fixed size, so that a search can halve them:
//	  end       uint32, where the slot's member ends in members; it begins
//	            where the one before it ends
//	  score     uint64, whose order as an integer is the score's
//	  child     uint64, in interior nodes only: the id of the child
//	  count     uint64, in interior nodes only: the entries below the child
//	members   the members of all slots, one behind the other
//
// A separator between leaves is the shortest that does: no member if the scores
// differ, otherwise the member on its right up to the first byte in which it
// differs from the one on its left. The first separator of an interior node is
// the one that its parent has for it: having it twice makes joining nodes a
// concatenation and splitting them a cut. Those of the leftmost nodes bound
// nothing.
//
// # Size
//
// A slot weighs its bytes and its member's and slotWeight more, so one bound,
// nodeWeightMax, holds for both the number of slots and their bytes. A node is
// heavier only if it has no more slots than it must be able to have: one in a
// leaf, three in an interior node, which has two at least after a cut. A node
// other than the root that becomes lighter than a quarter of that is joined with
// a sibling, unless that sibling is too heavy itself. So where no member is
// long, all nodes are at least a quarter full.
//
// # Changes
//
// A change replaces slots of one node. What the node becomes is a list of runs:
// slots of nodes that exist, and new ones in between. It is joined with siblings
// if it is too light, cut if it is too heavy, and written; then its parent's
// slots are replaced in the same way, up to the root, which has to learn the new
// counts anyway.
package counted

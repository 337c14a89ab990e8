// Package index finds records by key: Tree keeps keys in order, Hash does not.
// Both live in the arena, hold no Go pointers, and are read without writing to
// shared memory. An index knows nothing of transactions, values or timestamps:
// it maps the key that is written in a record to the record's Ref. Package occ
// builds tables on it.
//
// # Who may call, and when
//
// Any number of goroutines may use an index at once, each with a Mem of its own.
// A caller is inside an epoch.Pin during each call and for as long as it uses a
// node or record that a call returned. A record that was removed goes to the
// caller's Limbo, and not before Remove has returned.
//
// # Versions
//
// Every lookup and every page of a scan names the node that its answer came from
// and the version at which it was true. Transactions rely on this to find phantoms:
//
//	V1  If a node's version word is what a lookup or a page reported, the set of
//	    keys in the node's range, and the records that they map to, are what
//	    they were then. (For a Hash, read bucket for node and hash values
//	    for range.)
//	V2  Inserting and removing a record, splitting and merging change the version
//	    of every node whose keys or range they change. Changing a record in
//	    place does not touch the index.
//	V3  A locked word differs from every unlocked one: a node that is being changed
//	    validates for nobody, unless he knows from a Change that it was
//	    himself.
//	V4  A node that was merged away is obsolete for ever. Its word does not
//	    become an unlocked one again before every reader that was pinned then
//	    has gone.
//	V5  Every leaf that a scan's range intersects is reported, those without a record too,
//	    and the leaves of consecutive pages leave no gap.
//	V6  Insert reports what it did to versions. Where a transaction has noted
//	    Change.Node at Change.Before, After holds instead, and Right at
//	    RightVersion besides: nothing but the caller's own record was added
//	    in between.
//
// # How Tree reads
//
// Tree is a B+tree with optimistic lock coupling (Leis et al., "The ART of
// practical synchronization", DaMoN'16) over nodes of 1 KiB that are prefetched
// whole. A node begins with its version word; a writer locks by compare-and-swap, and
// unlocks with a higher counter. A reader notes the version, reads, and believes what it
// read only if the word has not changed.
//
// Going from a node to its child, a reader looks at the node's word twice: before
// it touches the child, since until then the Ref may be the leavings of a
// change; and after it has read the child's version, since in between the child
// could have been split, or taken away. If both hold, the child had that version
// while the node said that the key belongs there. By induction from the
// root, whose Ref is checked in the same way, the leaf at its version is
// where the key belongs; and a leaf's low fence, and thus the Ref under which
// a key is found, changes only by a change of its version.
//
// Two fences bound a node: low ≤ key < high. All keys between them begin alike, so
// that prefix is neither stored nor compared. Entries are compared by
// head, the 8 bytes behind the prefix; the length of the key settles ties of
// keys that end within their heads, and only the others are settled by the
// record, or for a separator by the child's low fence, which is exactly that
// separator. An inner node's separators are the shortest keys that tell
// their neighbours apart.
//
// # How Tree changes
//
// Locks are only ever tried, never waited for while another is held, so there is no
// deadlock. What is locked, from the top: for an insert or a remove, the leaf; for
// a split, the parent and the node; for a merge, the parent, the left and the
// right node. All are compared-and-swapped from the version at which the
// decision was made, so the decision still holds once they are locked.
// Memory is allocated before anything is changed.
//
//   - A split moves the upper part of a node into a new one on its right.
//   - A merge moves all of the right one of two siblings into the left one.
//     Nothing is ever moved from the left to the right otherwise, so a node's low
//     fence stays the same for as long as the node lives, and so does the
//     child that an inner node begins with.
//   - A root with a single child is replaced by that child.
//
// A node owns its low fence and borrows its high fence from its right neighbour on
// the same level. The neighbour goes away only by being merged into
// the node, which changes the node's high fence first.
//
// # Memory order
//
// Three orders are needed, on every processor and against the compiler:
//
//  1. A reader's loads come between its two loads of the version word. The first
//     is an atomic load, an acquire: what follows stays behind it. The data is read with
//     arena.Load64, which where processors reorder (arm64) is a load-acquire as
//     well, so the second load of the word stays behind the data. amd64
//     keeps loads in program order, and the atomic loads keep the compiler from moving the
//     plain ones across them.
//  2. A writer's stores come after its lock is visible, and before its unlock. The
//     compare-and-swap's store is ordered before the data's because those are made with
//     arena.Store64, on arm64 a store-release, which stays behind everything
//     before it. The unlocking is an atomic store, a release.
//     So a reader that sees any word of a change, and then loads the version,
//     sees the lock or what came after it.
//  3. What a new node, fence or record holds is visible to whoever finds its Ref:
//     the Ref is stored with a release and loaded with an acquire. That is
//     why records and fences, which do not change, can be written and read
//     plainly.
//
// # Reclamation
//
// A reader follows a Ref only after the node that it read it from has
// validated, at a moment when the Ref was thus still linked. Unlinking and retiring came later
// than that moment, and the reader entered its pin before it: so the object is
// not freed before the reader has left. Hence a reader never sees a node, fence or
// record whose memory has become something else, and whatever it reads in a
// node that is being changed, or is obsolete, are words that were written there as
// counts, lengths and Refs: no search runs out of a node's bounds.
package index

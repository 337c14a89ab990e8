package raft

import (
	"fmt"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// record is what is in a node's journal: exactly one of the kinds.
type record struct {
	kind     recordKind
	term     uint64        // recordState
	vote     quorum.NodeID // recordState
	index    uint64        // recordEntry: entries from there on are dropped before
	entry    Entry
	snapshot snapshot // always the first record, and only that
}

type recordKind uint64

const (
	recordSnapshot recordKind = iota + 1
	recordState
	recordEntry
)

func (r *record) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.kind))
	switch r.kind {
	case recordSnapshot:
		r.snapshot.Fields(c)
	case recordState:
		c.Uint(&r.term)
		c.Node(&r.vote)
	case recordEntry:
		c.Uint(&r.index)
		r.entry.fields(c)
	}
}

func (n *Node) saveState() {
	n.journal.Append(&record{kind: recordState, term: n.term, vote: n.vote})
}

// saveAll starts the journal anew with what is in memory.
func (n *Node) saveAll() {
	all := []quorum.Message{
		&record{kind: recordSnapshot, snapshot: n.log.snapshot},
		&record{kind: recordState, term: n.term, vote: n.vote},
	}
	for i, e := range n.log.entries {
		all = append(all, &record{kind: recordEntry, index: n.log.snapshot.index + 1 + uint64(i), entry: e})
	}
	n.journal.Replace(all...)
}

// restore takes back what the journal holds.
func (n *Node) restore(records [][]byte) error {
	for i, b := range records {
		var r record
		err := quorum.Decode(b, &r)
		switch {
		case err != nil || (i == 0) != (r.kind == recordSnapshot):
			return fmt.Errorf("%w: record %d", journal.ErrCorrupt, i)
		case r.kind == recordSnapshot:
			n.log.snapshot = r.snapshot
		case r.kind == recordState:
			n.term, n.vote = r.term, r.vote
		case r.kind == recordEntry && r.index > n.log.snapshot.index && r.index <= n.log.last()+1:
			n.log.truncate(r.index)
			n.log.append(r.entry)
		default:
			return fmt.Errorf("%w: record %d of kind %d", journal.ErrCorrupt, i, r.kind)
		}
	}
	return nil
}

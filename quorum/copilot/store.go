package copilot

import (
	"fmt"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// stored is what is in a node's journal: exactly one of the kinds.
type stored struct {
	kind     storedKind
	snapshot snapshot // always the first, and only that
	promised uint64
	state    state  // storedOpen: the logs from there on are dropped before
	log      uint64 // storedRecord
	record   record
}

type storedKind uint64

const (
	storedSnapshot storedKind = iota + 1
	storedPromise
	storedOpen
	storedRecord
)

func (s *stored) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&s.kind))
	switch s.kind {
	case storedSnapshot:
		s.snapshot.Fields(c)
	case storedPromise:
		c.Uint(&s.promised)
	case storedOpen:
		s.state.Fields(c)
	case storedRecord:
		c.Uint(&s.log)
		s.record.fields(c)
	}
}

// savePromise puts the promise on the disk, sooner or later.
func (n *Node) savePromise() { n.journal.Append(&stored{kind: storedPromise, promised: n.promised}) }

// saveAll starts the journal anew with what is in memory.
func (n *Node) saveAll() {
	s := n.behind(n.snapshot.at, n.ends())
	n.journal.Replace(
		&stored{kind: storedSnapshot, snapshot: n.snapshot},
		&stored{kind: storedPromise, promised: n.promised},
		&stored{kind: storedOpen, state: s},
	)
}

// load takes back what the journal holds.
func (n *Node) load(records [][]byte) error {
	for i, b := range records {
		var s stored
		err := quorum.Decode(b, &s)
		switch {
		case err != nil || (i == 0) != (s.kind == storedSnapshot):
		case s.kind == storedSnapshot:
			n.snapshot = s.snapshot
			for j := range n.logs {
				n.logs[j].compact(s.snapshot.at[j], s.snapshot.before[j])
			}
			continue
		case s.kind == storedPromise:
			n.promised = max(n.promised, s.promised)
			continue
		case s.kind == storedOpen && len(s.state.snapshot) == 0 && n.take(&s.state):
			n.promised = max(n.promised, n.opened)
			continue
		case s.kind == storedRecord && s.log < logs:
			n.logs[s.log].add(s.record)
			continue
		}
		return fmt.Errorf("%w: record %d of kind %d", journal.ErrCorrupt, i, s.kind)
	}
	return nil
}

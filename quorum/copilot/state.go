package copilot

import (
	"fmt"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// stored is a record in a node's journal: what it had promised, and a state that it
// took. What all of them say, one after the other, is what the node had.
type stored struct {
	promised uint64
	state
}

func (s *stored) Fields(c *quorum.Coder) { c.Uint(&s.promised); s.state.Fields(c) }

// save puts a state that was taken on the disk, and the promise, sooner or later.
func (n *Node) save(s *state) { n.journal.Append(&stored{n.promised, *s}) }

// saveAll starts the journal anew with what is in memory.
func (n *Node) saveAll() {
	s := n.since(n.snapshot.at)
	s.snapshot = []snapshot{n.snapshot}
	n.journal.Replace(&stored{n.promised, *s})
}

// load takes back what the journal holds.
func (n *Node) load(records [][]byte) error {
	for i, b := range records {
		var s stored
		if err := quorum.Decode(b, &s); err != nil || !n.adopt(&s.state, n.ends()) {
			return fmt.Errorf("%w: record %d", journal.ErrCorrupt, i)
		}
		n.promised = max(n.promised, s.promised)
	}
	return nil
}

// ends returns where the logs end.
func (n *Node) ends() pair { return pair{n.logs[0].last(), n.logs[1].last()} }

// nothing returns a state without entries.
func (n *Node) nothing() *state {
	return &state{epoch: n.opened, pilots: n.pilots, front: n.front, commit: pair{n.logs[0].commit, n.logs[1].commit}}
}

// stateBytesMax is about how much of the logs is sent in place of a snapshot.
const stateBytesMax = 1 << 20

// since returns what the node has behind a place in both logs, and a snapshot if
// that is not there any more, or too much for a message.
func (n *Node) since(at pair) *state {
	bytes, s := 0, n.nothing()
	for j := range n.logs {
		for i := max(at[j], n.logs[j].base) + 1; i <= n.logs[j].last(); i++ {
			bytes += n.logs[j].at(i).bytes()
		}
	}
	if bytes > stateBytesMax && n.executed != n.snapshot.at {
		n.compact()
	}
	if base := n.snapshot.at; at[0] < base[0] || at[1] < base[1] {
		s.snapshot, at = []snapshot{n.snapshot}, base
	}
	for j := range n.logs {
		s.from[j], s.entries[j] = at[j]+1, n.logs[j].from(at[j]+1)
	}
	return s
}

// take makes a state the node's, in memory and sooner or later on the disk. This is
// how all entries get into its logs and how it gets into an epoch, whether it
// proposes, follows, catches up or takes over. It does nothing and returns false if
// the state does not go on where the node is.
//
// Of the epoch that the node is in, that is the end of its logs. The logs of a newer
// epoch take the place of all that the node has not carried out: what a majority had
// is in them, and what was committed is so only when a majority has the new epoch.
func (n *Node) take(s *state) bool {
	opened, before := n.opened, n.ends()
	known := before
	if s.epoch > opened {
		known = n.executed
	}
	if !n.adopt(s, known) {
		return false
	}
	if n.opened == opened && n.ends() == before {
		return true
	}
	if before == n.executed {
		n.moved = n.rt.Elapsed()
	}
	if n.opened > opened {
		n.retire()
		n.promised = max(n.promised, n.opened)
	}
	if len(s.snapshot) > 0 {
		n.saveAll()
	} else {
		n.save(s)
	}
	if n.opened > opened && n.inEpoch(n.opened) {
		n.begin()
	}
	if n.pilot != nil {
		n.pilot.noted()
	}
	return true
}

// adopt makes a state the node's in memory, if it begins at the latest behind what
// is known.
func (n *Node) adopt(s *state, known pair) bool {
	var snapshotAt pair
	if len(s.snapshot) > 0 {
		snapshotAt = s.snapshot[0].at
	}
	newer := s.epoch > n.opened
	for j := range n.logs {
		if s.from[j] > max(known[j], snapshotAt[j])+1 || newer && s.from[j] == 0 {
			return false
		}
	}
	if s.epoch < n.opened || snapshotAt[0]+snapshotAt[1] > n.executed[0]+n.executed[1] && !n.restore(&s.snapshot[0]) {
		return false
	}
	if newer {
		n.opened, n.pilots, n.front = s.epoch, s.pilots, s.front
	}
	for j := range n.logs {
		l := &n.logs[j]
		if newer {
			l.truncate(max(n.executed[j], s.from[j]-1))
		}
		for i, e := range s.entries[j] {
			if s.from[j]+uint64(i) == l.last()+1 {
				l.entries = append(l.entries, e)
				n.place(&e)
			}
		}
		n.committed(j, min(s.commit[j], l.last()))
	}
	n.advanceFront(s.front)
	return true
}

// committed notes that a log is committed up to an entry.
func (n *Node) committed(j int, upTo uint64) {
	if l := &n.logs[j]; upTo > l.commit {
		l.commit = upTo
		n.changed.Advance(n.changed.Value() + 1)
	}
}

// advanceFront notes what is known of entries of log 0 that are not here.
func (n *Node) advanceFront(front pair) {
	for j := range front {
		if front[j] > n.front[j] {
			n.front[j] = front[j]
			n.changed.Advance(n.changed.Value() + 1)
		}
	}
}

// restore makes a snapshot the node's state.
func (n *Node) restore(s *snapshot) bool {
	if n.machine.Restore(s.data) != nil {
		return false
	}
	n.snapshot, n.executed, n.applied, n.bytes = *s, s.at, s.applied, 0
	n.sessions = sessions{}
	for _, x := range s.sessions {
		n.sessions.put(x, n.options.SessionsMax)
	}
	for j := range n.logs {
		n.logs[j].compact(s.at[j])
	}
	n.failWaiting() // they may be in it
	n.changed.Advance(n.changed.Value() + 1)
	return true
}

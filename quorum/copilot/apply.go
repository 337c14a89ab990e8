package copilot

import (
	"container/list"
	"context"
)

// apply carries out what is committed, in the one order that the dependencies
// allow, and compacts the logs.
func (n *Node) apply(ctx context.Context) error {
	for {
		seen := n.changed.Value()
		for j, ok := n.next(); ok; j, ok = n.next() {
			n.execute(j)
			n.moved = n.rt.Elapsed()
		}
		if n.tooLong() {
			n.compact()
		}
		if err := n.changed.Wait(ctx, seen+1); err != nil {
			return err
		}
	}
}

// next returns the log whose next record is to be carried out, if that is known
// (§4.3). Of the next records of both logs, i of log 0 and k of log 1, i goes
// first if it does not depend on k, and k if it does not depend on i; both cannot
// be (invariant Order). If each depends on the other, log 0 has priority, which
// breaks the cycle. A record whose turn has come by one rule need not wait until
// the other is known.
func (n *Node) next() (j int, ok bool) {
	p, l := &n.logs[0], &n.logs[1]
	i, k := n.executed[0]+1, n.executed[1]+1
	pKnown, lKnown := i <= p.commit, k <= l.commit
	pFree := pKnown && p.at(i).final < k
	lFree := lKnown && l.at(k).final < i
	switch {
	case pFree && lFree && !p.at(i).ruling() && !l.at(k).ruling():
		panic("copilot: neither of two entries comes after the other")
	case pFree:
		return 0, true
	case lFree:
		return 1, true
	}
	return 0, pKnown && lKnown
}

// execute carries out the next record of a log. Commands that were carried out
// already, since both logs have them or a client asked again, are passed over.
func (n *Node) execute(j int) {
	n.executed[j]++
	r := n.logs[j].at(n.executed[j])
	for _, c := range r.commands {
		s := n.sessions.find(c.Client)
		if s == nil || s.seq < c.Seq {
			n.applied++
			result := n.machine.Apply(n.applied, c.Data)
			s = n.sessions.put(session{c.Client, c.Seq, result}, n.options.SessionsMax)
		}
		k := key{c.Client, c.Seq}
		w := n.waiting[k]
		if w == nil {
			continue
		}
		delete(n.waiting, k)
		if s.seq == c.Seq {
			w.result.Set(s.result)
		} else {
			w.result.Fail(ErrStale)
		}
	}
	if n.pilot != nil {
		n.pilot.offer() // there is room for another entry
	}
}

// tooLong tells whether a snapshot should take the place of what is executed.
func (n *Node) tooLong() bool {
	records, bytes := 0, 0
	for j := range n.logs {
		l := &n.logs[j]
		records += int(n.executed[j] - l.base)
		bytes += l.bytes
	}
	return records >= n.options.SnapshotRecords || records > 0 && (bytes > n.options.SnapshotBytes || n.rt.Rare("copilot: snapshot"))
}

// compact puts a snapshot in the place of what is executed.
func (n *Node) compact() {
	s := snapshot{at: n.executed, applied: n.applied, sessions: n.sessions.all(), data: n.machine.Snapshot()}
	for j := range n.logs {
		l := &n.logs[j]
		s.before[j] = l.entry(s.at[j])
		l.compact(s.at[j], s.before[j])
	}
	n.snapshot = s
	n.saveAll()
}

// restore makes a snapshot the node's state. The logs are compacted by it.
func (n *Node) restore(s *snapshot) error {
	if err := n.machine.Restore(s.data); err != nil {
		return err
	}
	n.sessions = sessions{}
	for _, x := range s.sessions {
		n.sessions.put(x, n.options.SessionsMax)
	}
	n.executed, n.applied = s.at, s.applied
	n.changed.Advance(n.changed.Value() + 1)
	return nil
}

// sessions are the clients that are remembered, those that were silent longest
// first.
type sessions struct {
	order    list.List // of *session
	byClient map[uint64]*list.Element
}

func (s *sessions) find(client uint64) *session {
	if e := s.byClient[client]; e != nil {
		return e.Value.(*session)
	}
	return nil
}

// put remembers a client's last command and forgets a client if there are more
// than most.
func (s *sessions) put(x session, most int) *session {
	if s.byClient == nil {
		s.byClient = map[uint64]*list.Element{}
	}
	if e := s.byClient[x.client]; e != nil {
		s.order.MoveToBack(e)
		*e.Value.(*session) = x
		return e.Value.(*session)
	}
	if s.order.Len() >= most {
		oldest := s.order.Front()
		delete(s.byClient, s.order.Remove(oldest).(*session).client)
	}
	s.byClient[x.client] = s.order.PushBack(&x)
	return &x
}

func (s *sessions) all() []session {
	var all []session
	for e := s.order.Front(); e != nil; e = e.Next() {
		all = append(all, *e.Value.(*session))
	}
	return all
}

// committed notes that a log is committed up to a record.
func (n *Node) committed(j int, upTo uint64) {
	if l := &n.logs[j]; upTo > l.commit {
		l.commit = upTo
		n.changed.Advance(n.changed.Value() + 1)
	}
}

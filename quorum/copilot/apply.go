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
		if n.pilot != nil {
			n.pilot.offer() // there may be room for another entry
			n.pilot.kick()  // with which the news goes to the other pilot
		}
		if n.tooLong() {
			n.compact()
		}
		if err := n.changed.Wait(ctx, seen+1); err != nil {
			return err
		}
	}
}

// next returns the log whose next entry is to be carried out, if that is known. An
// entry k of log 1 goes before those of log 0 that depend on it, and behind the
// others: that the next of these does is known from that entry, or from the front.
func (n *Node) next() (j int, ok bool) {
	l := &n.logs[0]
	i, k := n.executed[0]+1, n.executed[1]+1
	dep, known := n.front[1], n.front[0] < i
	if i <= l.last() {
		dep, known = l.at(i).dep, true
	}
	if known && k <= dep {
		return 1, k <= n.logs[1].commit
	}
	return 0, i <= l.commit
}

// execute carries out the next entry of a log. Commands that were carried out
// already, since both logs have them or a client asked again, are passed over.
func (n *Node) execute(j int) {
	n.executed[j]++
	e := n.logs[j].at(n.executed[j])
	n.bytes += e.bytes()
	for _, c := range e.commands {
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
}

// tooLong tells whether a snapshot should take the place of what is carried out.
func (n *Node) tooLong() bool {
	entries := int(n.executed[0] - n.snapshot.at[0] + n.executed[1] - n.snapshot.at[1])
	return entries >= n.options.SnapshotEntries || n.bytes > n.options.SnapshotBytes || entries > 0 && n.rt.Rare("copilot: snapshot")
}

// compact puts a snapshot in the place of what is carried out.
func (n *Node) compact() {
	n.snapshot, n.bytes = snapshot{n.executed, n.applied, n.sessions.all(), n.machine.Snapshot()}, 0
	for j := range n.logs {
		n.logs[j].compact(n.executed[j])
	}
	n.saveAll()
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

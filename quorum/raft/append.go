package raft

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// peer is what a leader knows of a voter, itself included.
type peer struct {
	id     quorum.NodeID
	match  uint64        // entries up to here are on its disk
	next   uint64        // what to send next
	round  uint64        // that it has answered
	heard  time.Duration // when what it has answered last was sent
	cancel context.CancelFunc

	probing  bool // where its log matches is not known
	inflight int  // requests without an answer
	asked    uint64
	sent     time.Duration // when the last request went out, and its round
}

// windowMax bounds the requests to one node that wait for an answer.
const windowMax = 8

// follow starts and ends replicating tasks, so that there is one for each voter.
func (n *Node) follow(voters []quorum.NodeID) {
	for _, id := range voters {
		if n.peers[id] != nil {
			continue
		}
		ctx, cancel := quorum.WithCancel(n.ctx)
		now := n.rt.Elapsed()
		p := &peer{id: id, next: n.log.last(), heard: now, sent: now - n.options.Heartbeat, probing: true, cancel: cancel}
		n.peers[id] = p
		if id == n.id {
			quorum.Go(ctx, "raft own disk", func(ctx context.Context) error { return n.ownDisk(ctx, p) })
		} else {
			quorum.Go(ctx, "raft replicate", func(ctx context.Context) error { return n.replicate(ctx, p) })
		}
	}
	for id, p := range n.peers {
		if !slices.Contains(voters, id) {
			p.cancel()
			delete(n.peers, id)
		}
	}
	n.commit.Behind(quorum.KindQuorum, len(voters)/2+1, len(voters))
	n.confirmed.Behind(quorum.KindQuorum, len(voters)/2+1, len(voters))
}

// ownDisk makes the leader's disk a voter.
func (n *Node) ownDisk(ctx context.Context, p *peer) error {
	for {
		last, put := n.log.last(), n.journal.Put().Value()
		if err := n.journal.Durable().Wait(ctx, put); err != nil {
			return err
		}
		p.match = last
		n.advance()
		if err := n.journal.Put().Wait(ctx, put+1); err != nil {
			return err
		}
	}
}

// replicate brings one node's log up to the leader's and keeps it there. Entries
// go out as they come, while answers to earlier ones are still on their way.
func (n *Node) replicate(ctx context.Context, p *peer) error {
	for {
		seen, now := n.work.Value(), n.rt.Elapsed()
		window := windowMax
		if p.probing || n.rt.Rare("raft: one request at a time") {
			window = 1 // until an answer says where its log matches
		}
		due := p.next <= n.log.last() || p.asked < n.round || now-p.sent >= n.options.Heartbeat
		if due && p.inflight < window {
			p.sent, p.asked = now, n.round
			p.inflight++
			n.exchange(ctx, p)
			continue
		}
		wait := n.options.Heartbeat
		if p.inflight == 0 {
			wait -= now - p.sent
		}
		if err := quorum.WaitFor(ctx, n.work.Reached(seen+1), wait); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
}

// exchange sends the peer what it lacks, and handles the answer in a task that
// is the only one to wait for it, and not for long.
func (n *Node) exchange(ctx context.Context, p *peer) {
	round, sent := n.round, p.sent
	call := n.request(p)
	quorum.Go(ctx, "raft exchange", func(ctx context.Context) error {
		defer func() { p.inflight--; n.kick() }()
		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)
		defer cancel()
		resp, err := call(short)
		switch {
		case err != nil:
			p.next, p.probing = p.match+1, true
			return quorum.Sleep(ctx, n.options.Heartbeat/2)
		case !n.observe(resp.term):
			return nil // an answer to an earlier term, or the end of this one
		}
		p.heard, p.round = max(p.heard, sent), max(p.round, round)
		n.confirm()
		if resp.ok {
			p.match = max(p.match, resp.next-1)
			p.next, p.probing = max(p.next, resp.next), false
			n.advance()
		} else {
			p.next, p.probing = max(p.match+1, resp.next), true
		}
		return nil
	})
}

// request makes the next request for a peer: the entries that it lacks, or the
// snapshot if they are gone.
func (n *Node) request(p *peer) func(context.Context) (*appendResp, error) {
	prev := min(p.next-1, n.log.last())
	prevTerm, ok := n.log.term(prev)
	if !ok || n.rt.Rare("raft: snapshot instead of entries") {
		p.probing = true
		req := &snapshotReq{n.term, n.log.snapshot}
		return func(ctx context.Context) (*appendResp, error) {
			return n.methods.snapshot.Call(ctx, n.endpoint, p.id, req)
		}
	}
	most := n.options.BatchEntriesMax
	if n.rt.Rare("raft: small batch") {
		most = 1
	}
	req := &appendReq{n.term, prev, prevTerm, n.commit.Value(), n.log.from(prev+1, most, n.options.BatchBytesMax)}
	p.next = prev + 1 + uint64(len(req.entries))
	return func(ctx context.Context) (*appendResp, error) {
		return n.methods.append.Call(ctx, n.endpoint, p.id, req)
	}
}

// kth returns the highest value that a majority of the voters has reached.
func (n *Node) kth(value func(*peer) uint64) uint64 {
	all := make([]uint64, 0, 8)
	for _, id := range n.voters() {
		all = append(all, value(n.peers[id]))
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// advance commits what is on a majority of disks, if it ends with an entry of
// this term (§3.6.2).
func (n *Node) advance() {
	if n.role != Leader {
		return
	}
	index := n.kth(func(p *peer) uint64 { return p.match })
	if index >= n.first {
		n.commit.Advance(index)
	}
}

// confirm notes up to which round a majority has answered.
func (n *Node) confirm() {
	if n.role == Leader {
		n.confirmed.Advance(n.kth(func(p *peer) uint64 {
			if p.id == n.id {
				return n.round
			}
			return p.round
		}))
	}
}

// handleAppend is the follower's side of replicate (§3.5).
func (n *Node) handleAppend(ctx context.Context, from quorum.NodeID, req *appendReq) (*appendResp, error) {
	if !n.follows(from, req.term) {
		return &appendResp{term: n.term}, nil
	}
	if next, ok := n.matches(req.prev, req.prevTerm); !ok {
		return n.answer(ctx, req.term, &appendResp{next: next})
	}
	end := req.prev + uint64(len(req.entries))
	for i, e := range req.entries {
		index := req.prev + 1 + uint64(i)
		if index <= n.log.snapshot.index {
			continue // applied already
		}
		if term, ok := n.log.term(index); ok {
			if term == e.Term {
				continue
			}
			if index <= n.commit.Value() {
				panic("raft: a leader contradicts what is committed")
			}
			n.log.truncate(index)
			n.failProposals(index, ErrDropped)
		}
		n.log.append(e)
		n.journal.Append(&record{kind: recordEntry, index: index, entry: e})
	}
	resp, err := n.answer(ctx, req.term, &appendResp{ok: true, next: end + 1})
	if err == nil && resp.ok {
		n.commit.Advance(min(req.commit, end))
	}
	return resp, err
}

// follows takes note of a leader and tells whether it is one.
func (n *Node) follows(leader quorum.NodeID, term uint64) bool {
	if !n.observe(term) {
		return false
	}
	if n.role == Leader {
		panic("raft: two leaders in one term")
	}
	n.stepDown(term, leader)
	n.heard = n.rt.Elapsed()
	n.expectLeader()
	return true
}

// matches tells whether the log has the entry at an index, and if not, from
// where on it may match.
func (n *Node) matches(prev, prevTerm uint64) (next uint64, ok bool) {
	if prev <= n.log.snapshot.index {
		return 0, true // up to there it is committed
	}
	term, ok := n.log.term(prev)
	if !ok {
		return n.log.last() + 1, false
	}
	if term == prevTerm {
		return 0, true
	}
	// None of that term's entries can be trusted. (§3.5, end)
	for prev > n.log.snapshot.index+1 && n.log.at(prev-1).Term == term {
		prev--
	}
	return prev, false
}

// answer replies when all that the answer says is on the disk, and if the term
// has not ended meanwhile.
func (n *Node) answer(ctx context.Context, term uint64, resp *appendResp) (*appendResp, error) {
	if err := n.journal.Sync(ctx); err != nil {
		return nil, err
	}
	if resp.term = n.term; n.term != term {
		resp.ok = false
	}
	return resp, nil
}

// apply carries out what is committed and compacts the log.
func (n *Node) apply(ctx context.Context) error {
	for {
		if err := n.commit.Wait(ctx, n.applied.Value()+1); err != nil {
			return err
		}
		for n.applied.Value() < min(n.commit.Value(), n.log.last()) {
			index := n.applied.Value() + 1
			e := n.log.at(index)
			var result []byte
			if e.Kind == KindCommand {
				result = n.machine.Apply(index, e.Data)
			}
			n.applied.Advance(index)
			if p := n.proposals[index]; p != nil { // what would contradict it has been failed
				delete(n.proposals, index)
				p.Set(result)
			}
			if e.Kind == KindConfig && n.role == Leader && !n.isVoter(n.id) {
				n.stepDown(n.term, 0) // it has voted itself out (§4.2.2)
			}
		}
		if len(n.log.entries) >= n.options.SnapshotEntries || len(n.log.entries) > 0 && n.rt.Rare("raft: snapshot") {
			n.compact()
		}
	}
}

// compact puts a snapshot in the place of what is applied.
func (n *Node) compact() {
	index := n.applied.Value()
	term, _ := n.log.term(index)
	voters, _ := n.log.voters(index)
	n.log.compact(snapshot{index, term, slices.Clone(voters), n.machine.Snapshot()})
	n.saveAll()
}

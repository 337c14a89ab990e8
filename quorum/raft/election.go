package raft

import (
	"context"
	"errors"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// roles follows, campaigns and leads.
func (n *Node) roles(ctx context.Context) error {
	for {
		if err := quorum.Wait(ctx, n.election); err != nil {
			return err
		}
		n.expectLeader()
		if !n.isVoter(n.id) {
			continue
		}
		won, err := n.campaign(ctx, n.rt.Elapsed()-n.heard < n.options.ElectionTimeout)
		if err == nil && won && n.role == Candidate {
			err = n.lead(ctx)
		}
		if ctx.Err() != nil {
			return err
		}
	}
}

// expectLeader gives a leader an election timeout to be heard of.
func (n *Node) expectLeader() {
	d := n.options.ElectionTimeout
	if n.rt.Rare("raft: early election") {
		d /= 10
	}
	n.election.Reset(d + time.Duration(n.rt.Host().Uint64()%uint64(d)))
}

// observe takes note of a term. It returns false for one that is over.
func (n *Node) observe(term uint64) bool {
	if term > n.term {
		n.stepDown(term, 0)
	}
	return term == n.term
}

// stepDown makes the node a follower in a term, of a leader if one is known.
func (n *Node) stepDown(term uint64, leader quorum.NodeID) {
	if n.role != Follower {
		n.options.Logf("term %d: no %v any more, term %d", n.term, n.role, term)
		n.role, n.leader = Follower, 0
		n.deposed.Set(struct{}{})
		n.failProposals(n.commit.Value()+1, ErrUnknown)
		n.expectLeader()
	}
	if term > n.term {
		n.term, n.vote, n.leader = term, 0, 0
		n.saveState()
	}
	if leader != 0 {
		n.leader = leader
	}
}

// campaign asks for the others' votes, and before that whether they would give
// them. With a transfer the leader itself wants the election.
func (n *Node) campaign(ctx context.Context, transfer bool) (won bool, err error) {
	if !transfer && !n.rt.Rare("raft: no pre-vote") {
		if won, err = n.poll(ctx, voteReq{term: n.term + 1, pre: true}); !won {
			return false, err
		}
	}
	n.stepDown(n.term, 0)
	n.term++
	n.vote, n.leader, n.role = n.id, 0, Candidate
	n.saveState()
	n.options.Logf("term %d: campaigns", n.term)
	return n.poll(ctx, voteReq{term: n.term, transfer: transfer})
}

// poll asks all voters and tells whether a majority is for the node, which still
// is what it was.
func (n *Node) poll(ctx context.Context, req voteReq) (won bool, err error) {
	ctx, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout)
	defer cancel()
	req.last, req.lastTerm = n.log.last(), n.log.lastTerm()
	term := n.term
	votes := n.methods.vote.Broadcast(ctx, n.endpoint, n.voters(), func(to quorum.NodeID) *voteReq {
		if to == n.id {
			return nil
		}
		return &req
	})
	// The own vote counts when it is on the own disk.
	votes.AddEvent(n.id, &voteResp{req.term, true}, n.journal.Durable().Reached(n.journal.Put().Value()))
	defer votes.Drop()
	err = votes.Majority(func(_ quorum.NodeID, v *voteResp) bool {
		if v.term > n.term && !v.granted {
			n.observe(v.term)
		}
		return v.granted
	}).Wait(ctx)
	if err == nil && !req.pre {
		// Others can be a majority before the own disk has the term. Who led it and
		// forgot would win it again, and give its indexes to other entries.
		err = n.journal.Sync(ctx)
	}
	return err == nil && n.term == term, err
}

// handleVote answers a candidate (§3.4, §3.6.1, §9.6).
func (n *Node) handleVote(ctx context.Context, from quorum.NodeID, req *voteReq) (*voteResp, error) {
	// Who hears from a leader does not help to depose it. (§4.2.3)
	led := n.role == Leader || n.leader != 0 && n.rt.Elapsed()-n.heard < n.options.ElectionTimeout
	if req.term < n.term || led && !req.transfer {
		return &voteResp{n.term, false}, nil
	}
	upToDate := req.lastTerm > n.log.lastTerm() || req.lastTerm == n.log.lastTerm() && req.last >= n.log.last()
	if req.pre {
		return &voteResp{n.term, upToDate}, nil
	}
	n.observe(req.term)
	granted := upToDate && (n.vote == 0 || n.vote == from)
	if granted {
		n.vote = from
		n.saveState()
		n.expectLeader()
	}
	if err := n.journal.Sync(ctx); err != nil {
		return nil, err
	}
	return &voteResp{n.term, granted && n.term == req.term}, nil
}

// lead leads until the node is deposed.
func (n *Node) lead(ctx context.Context) error {
	n.role, n.leader, n.transferring = Leader, n.id, false
	n.options.Logf("term %d: leads, last entry %d", n.term, n.log.last())
	ctx, cancel := quorum.WithCancel(ctx)
	defer cancel()
	n.deposed = quorum.NewValue[struct{}](ctx, "raft deposed")
	n.ctx, n.peers, n.round = ctx, map[quorum.NodeID]*peer{}, 0
	n.confirmed = quorum.NewWatermark(ctx, "raft confirmed", 0)
	n.first = n.add(Entry{n.term, KindNoop, nil})
	n.follow(n.voters())
	for {
		err := quorum.WaitFor(ctx, n.deposed, n.options.ElectionTimeout)
		if !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
		// A leader that a majority does not hear of is none. (§6.2)
		heard := 0
		for _, id := range n.voters() {
			if id == n.id || n.rt.Elapsed()-n.peers[id].heard < n.options.ElectionTimeout {
				heard++
			}
		}
		if heard <= len(n.voters())/2 || n.rt.Rare("raft: leader steps down") {
			n.stepDown(n.term, 0)
		}
	}
}

package raft

import (
	"context"
	"slices"

	"github.com/godwitdb/godwit/quorum"
)

// Add makes a node a voter: one at a time, so that majorities overlap (§4.1).
func (n *Node) Add(ctx context.Context, id quorum.NodeID) error {
	return n.reconfigure(ctx, append(slices.Clone(n.voters()), id))
}

// Remove takes a node's vote away. A leader that removes itself leads until the
// others know.
func (n *Node) Remove(ctx context.Context, id quorum.NodeID) error {
	return n.reconfigure(ctx, slices.DeleteFunc(slices.Clone(n.voters()), func(v quorum.NodeID) bool { return v == id }))
}

func (n *Node) reconfigure(ctx context.Context, voters []quorum.NodeID) error {
	slices.Sort(voters)
	voters = slices.Compact(voters)
	switch _, at := n.log.voters(n.log.last()); {
	case len(voters) == len(n.voters()):
		return nil // it is so already
	case len(voters) == 0:
		return ErrLastVoter
	case voters[0] == 0:
		return quorum.ErrUnknownNode
	case n.role != Leader || n.transferring:
		return ErrNotLeader
	// The last change has to be committed, and an entry of this term: a majority
	// of the old members may otherwise not know of it.
	case at > n.commit.Value() || n.commit.Value() < n.first:
		return ErrBusy
	}
	result := n.propose(ctx, Entry{n.term, KindConfig, quorum.Encode(nil, &config{voters})})
	n.follow(voters) // a configuration counts from when it is in the log
	n.advance()
	_, err := result.Wait(ctx)
	return err
}

// Transfer makes another voter the leader: it gets what it lacks and is told to
// campaign. (§3.10) It fails if that does not happen in an election timeout; the
// node then goes on leading.
func (n *Node) Transfer(ctx context.Context, to quorum.NodeID) error {
	if n.role != Leader || n.transferring {
		return ErrNotLeader
	}
	p := n.peers[to]
	if p == nil || to == n.id {
		return quorum.ErrUnknownNode
	}
	n.transferring = true
	deposed, term := n.deposed, n.term
	defer func() {
		if n.term == term {
			n.transferring = false
		}
	}()
	ctx, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout)
	defer cancel()
	for p.match < n.log.last() && n.term == term {
		if err := quorum.Sleep(ctx, n.options.Heartbeat/4); err != nil {
			return err
		}
	}
	if _, err := n.methods.timeout.Call(ctx, n.endpoint, to, &timeoutReq{term}); err != nil {
		return err
	}
	return quorum.Wait(ctx, deposed)
}

// handleTimeout campaigns at once, because the leader says so.
func (n *Node) handleTimeout(_ context.Context, from quorum.NodeID, req *timeoutReq) (*appendResp, error) {
	if req.term == n.term && n.leader == from && n.role == Follower {
		n.heard = n.rt.Elapsed() // by which the election knows that it is a transfer
		n.election.Reset(0)
	}
	return &appendResp{term: n.term, ok: true}, nil
}

// handleSnapshot takes a snapshot in place of entries that the leader has no
// more (§5).
func (n *Node) handleSnapshot(ctx context.Context, from quorum.NodeID, req *snapshotReq) (*appendResp, error) {
	if !n.follows(from, req.term) {
		return &appendResp{term: n.term}, nil
	}
	if s := req.snapshot; s.index > n.commit.Value() {
		if err := n.machine.Restore(s.data); err != nil {
			return nil, err
		}
		s.data = slices.Clone(s.data)
		n.log.compact(s)
		n.saveAll()
		n.failProposals(0, ErrUnknown)
		n.commit.Advance(s.index)
		n.applied.Advance(s.index)
	}
	return n.answer(ctx, req.term, &appendResp{ok: true, next: n.commit.Value() + 1})
}

package stream

import (
	"context"
	"slices"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// AddLearner makes a node a learner: it gets all rounds, and does not vote.
func (g *Group) AddLearner(ctx context.Context, id quorum.NodeID) error {
	m := g.members()
	if slices.Contains(m.voters, id) || slices.Contains(m.learners, id) {
		return nil
	}
	return g.change(ctx, membership{m.voters, with(m.learners, id)})
}

// Promote makes a learner that has all that is durable a voter.
func (g *Group) Promote(ctx context.Context, id quorum.NodeID) error {
	m := g.members()
	switch p := g.reign.peers[id]; {
	case slices.Contains(m.voters, id):
		return nil
	case g.role != Leader:
		return ErrNotLeader
	case !slices.Contains(m.learners, id):
		return quorum.ErrUnknownNode
	case p.match < g.committed():
		return ErrBusy // with it more than half of the others would be needed at once
	}
	return g.change(ctx, membership{with(m.voters, id), without(m.learners, id)})
}

// Remove makes a node no member any more. A leader that removes itself leads until that
// is durable.
func (g *Group) Remove(ctx context.Context, id quorum.NodeID) error {
	m := g.members()
	if !slices.Contains(m.voters, id) && !slices.Contains(m.learners, id) {
		return nil
	}
	return g.change(ctx, membership{without(m.voters, id), without(m.learners, id)})
}

// MembersAt returns who the members are according to the rounds up to one of the log, for
// a checkpoint that ends there.
func (g *Group) MembersAt(n wal.RoundNumber) (voters, learners []quorum.NodeID) {
	m := g.log.membershipAt(n)
	return slices.Clone(m.voters), slices.Clone(m.learners)
}

func with(ids []quorum.NodeID, id quorum.NodeID) []quorum.NodeID {
	ids = append(slices.Clone(ids), id)
	slices.Sort(ids)
	return ids
}

func without(ids []quorum.NodeID, id quorum.NodeID) []quorum.NodeID {
	return slices.DeleteFunc(slices.Clone(ids), func(x quorum.NodeID) bool { return x == id })
}

// change makes another membership durable. It differs by one voter at most from that
// before, so that majorities of both have a member in common.
func (g *Group) change(ctx context.Context, m membership) error {
	l := g.reign
	switch {
	case len(m.voters) == 0:
		return ErrLastVoter
	case slices.Contains(m.voters, 0) || slices.Contains(m.learners, 0):
		return quorum.ErrUnknownNode
	case g.role != Leader:
		return ErrNotLeader
	// The last change has to be durable, and the barrier: a majority of the old members
	// may otherwise not know of it.
	case l.transferring || !l.Opened.Decided() || g.log.membershipAt(g.log.last()).number > g.committed():
		return ErrBusy
	}
	watermark := g.log.lastWatermark()
	n := g.add(wal.Round{Kind: wal.RoundMembers, Watermark: watermark, Last: watermark, Payload: quorum.Encode(nil, &m)})
	g.options.Logf("epoch %d: from round %d on voters %v, learners %v", g.epoch, n, m.voters, m.learners)
	g.follow(m) // it counts from when it is in the log
	g.count()
	err := l.untilEnded(ctx, g.commit.Reached(uint64(n)))
	if e, ok := g.log.epoch(n); ok && e == l.Epoch && n <= g.committed() {
		return nil // though it may have ended this leadership
	}
	return err
}

// Transfer makes another voter the leader: it gets what it lacks and is told to campaign.
// It fails if that does not happen in an election timeout; the member then goes on
// leading.
func (g *Group) Transfer(ctx context.Context, to quorum.NodeID) error {
	l := g.reign
	if g.role != Leader || l.transferring {
		return ErrNotLeader
	}
	p := l.peers[to]
	if p == nil || to == g.id || !g.isVoter(to) {
		return quorum.ErrUnknownNode
	}
	l.transferring = true
	defer func() { l.transferring = false }()
	ctx, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	for p.match < g.log.last() && !l.Ended.Decided() {
		if err := quorum.Sleep(ctx, g.options.Heartbeat/4); err != nil {
			return err
		}
	}
	if _, err := g.methods.campaign.Call(ctx, g.endpoint, to, &campaignReq{l.Epoch}); err != nil {
		return err
	}
	return quorum.Wait(ctx, l.Ended)
}

// handleCampaign campaigns at once, because the leader says so.
func (g *Group) handleCampaign(_ context.Context, from quorum.NodeID, req *campaignReq) (*appendResp, error) {
	if req.epoch == g.epoch && g.leader == from && g.role == Follower {
		g.asked = true
		g.election.Reset(0)
	}
	return &appendResp{epoch: g.epoch, ok: true}, nil
}

// prefer lets the preferred member lead if it can.
func (g *Group) prefer(ctx context.Context) {
	id := g.options.Preferred
	if p := g.reign.peers[id]; p == nil || id == g.id || !g.isVoter(id) || p.probing || p.match < g.reign.Barrier ||
		g.rt.Elapsed()-p.heard >= g.options.ElectionTimeout {
		return
	}
	quorum.Go(ctx, "stream transfer", func(ctx context.Context) error { return g.Transfer(ctx, id) })
}

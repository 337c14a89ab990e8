package stream

import (
	"context"

	"github.com/godwitdb/godwit/quorum"
)

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

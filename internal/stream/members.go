package stream

import (
	"context"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Members are who belongs to a group. It is the payload of wal.RoundMembers.
type Members struct { //nolint:recvcheck // Fields sets it, the others are for values
	Voters   []quorum.NodeID
	Learners []quorum.NodeID // get all rounds, and do not vote
	// Folders are the members' folders. Those of a new group are not known before it has had a
	// leader, for which all first voters have to vote.
	Folders map[quorum.NodeID]wal.FolderID
}

// All returns the names of all members.
func (m Members) All() []quorum.NodeID { return slices.Concat(m.Voters, m.Learners) }

// known tells whether it is known which folders count.
func (m Members) known() bool { return len(m.Folders) > 0 }

// counts tells whether a member's folder is the one that is expected, or it is not known
// which one that is.
func counts(expected, folder wal.FolderID) bool {
	return expected == wal.FolderID{} || expected == folder
}

// quorum returns how many votes elect a leader. Without folders nobody can tell the first
// members from those that have lost theirs: only all together cannot have forgotten anything.
func (m Members) quorum() int {
	if !m.known() {
		return len(m.Voters)
	}
	return len(m.Voters)/2 + 1
}

func (m Members) clone() Members {
	return Members{slices.Clone(m.Voters), slices.Clone(m.Learners), maps.Clone(m.Folders)}
}

// Fields implements quorum.Message.
func (m *Members) Fields(c *quorum.Coder) {
	quorum.Slice(c, &m.Voters, c.Node)
	quorum.Slice(c, &m.Learners, c.Node)
	if c.Reading() {
		m.Folders = map[quorum.NodeID]wal.FolderID{}
	}
	for _, id := range m.All() {
		folder := m.Folders[id]
		if folderField(c, &folder); c.Reading() {
			m.Folders[id] = folder
		}
	}
}

// AddLearner makes a node a learner: it gets all rounds, and does not vote. The node has to
// be up, to say which folder it has.
func (g *Group) AddLearner(ctx context.Context, id quorum.NodeID) error {
	m := g.members().clone()
	if slices.Contains(m.All(), id) {
		return nil
	}
	if id == 0 {
		return quorum.ErrUnknownNode
	}
	if g.role != Leader {
		return ErrNotLeader
	}
	epoch := g.epoch
	short, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	resp, err := g.methods.hello.Call(short, g.endpoint, id, &helloReq{})
	switch {
	case err != nil:
		return err
	case g.epoch != epoch:
		return ErrNotLeader
	}
	m = g.members().clone()
	if slices.Contains(m.All(), id) {
		return nil
	}
	m.Learners, m.Folders[id] = with(m.Learners, id), resp.folder
	return g.change(ctx, m)
}

// Promote makes a learner that has all that is durable a voter.
func (g *Group) Promote(ctx context.Context, id quorum.NodeID) error {
	m := g.members().clone()
	switch p := g.reign.peers[id]; {
	case slices.Contains(m.Voters, id):
		return nil
	case g.role != Leader:
		return ErrNotLeader
	case !slices.Contains(m.Learners, id):
		return quorum.ErrUnknownNode
	case p.match < g.committed() || !p.fit:
		return ErrBusy // with it more than half of the others would be needed at once
	}
	m.Voters, m.Learners = with(m.Voters, id), without(m.Learners, id)
	return g.change(ctx, m)
}

// Remove makes a node no member any more. A leader that removes itself leads until that
// is durable and the others can elect one: that is when more than half of them vote.
func (g *Group) Remove(ctx context.Context, id quorum.NodeID) error {
	m := g.members().clone()
	if !slices.Contains(m.All(), id) {
		return nil
	}
	m.Voters, m.Learners = without(m.Voters, id), without(m.Learners, id)
	delete(m.Folders, id)
	return g.change(ctx, m)
}

// MembersAt returns who the members are according to the rounds up to one of the log, for
// a checkpoint that ends there.
func (g *Group) MembersAt(n wal.RoundNumber) Members {
	m := g.log.membershipAt(n)
	return m.clone()
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
func (g *Group) change(ctx context.Context, m Members) error {
	l := g.reign
	switch {
	case len(m.Voters) == 0:
		return ErrLastVoter
	case g.role != Leader:
		return ErrNotLeader
	// The last change has to be durable, and the barrier: a majority of the old members
	// may otherwise not know of it.
	case l.transferring || !l.Opened.Decided() || g.log.membershipAt(g.log.last()).number > g.committed():
		return ErrBusy
	}
	n := g.addMembers(m)
	g.follow(m) // it counts from when it is in the log
	g.count()
	err := l.untilEnded(ctx, g.commit.Reached(uint64(n)))
	if e, ok := g.log.epoch(n); ok && e == l.Epoch && n <= g.committed() {
		return nil // though it may have ended this leadership
	}
	return err
}

// leaves tells whether this leader has been removed and may go: the others know it, and can elect
// another. Those who have something to recover elect nobody, and recover it from a leader.
func (g *Group) leaves() bool {
	m := g.log.membershipAt(g.log.last())
	if m.number > g.committed() || slices.Contains(m.Voters, g.id) {
		return false
	}
	votes := 0
	for _, id := range m.Voters {
		if p := g.reign.peers[id]; p.fit && p.match >= m.number {
			votes++
		}
	}
	return votes >= m.quorum()
}

// present tells whether a member was heard of not long ago.
func (g *Group) present(p *peer) bool { return g.rt.Elapsed()-p.heard < g.options.ElectionTimeout }

// addMembers appends to the leader's log who the members are.
func (g *Group) addMembers(m Members) wal.RoundNumber {
	watermark := g.log.lastWatermark()
	n := g.add(wal.Round{Kind: wal.RoundMembers, Watermark: watermark, Last: watermark, Payload: quorum.Encode(nil, &m)})
	g.options.Logf("epoch %d: from round %d on voters %v, learners %v", g.epoch, n, m.Voters, m.Learners)
	return n
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

// Successor returns the voter that would be the next leader's best choice: of those that answer the
// one with the longest log. It is 0 if there is none, or this member does not lead.
func (g *Group) Successor() (best quorum.NodeID) {
	if g.role != Leader {
		return 0
	}
	match := wal.RoundNumber(0)
	for _, id := range g.members().Voters {
		p := g.reign.peers[id]
		if id != g.id && !p.probing && p.fit && p.match > match && g.present(p) {
			best, match = id, p.match
		}
	}
	return best
}

// handleCampaign campaigns at once, because the leader says so.
func (g *Group) handleCampaign(_ context.Context, from quorum.NodeID, req *campaignReq) (*appendResp, error) {
	if req.epoch == g.epoch && g.leader == from && g.role == Follower {
		g.asked = true
		g.election.Reset(0)
	}
	return &appendResp{epoch: g.epoch, ok: true}, nil
}

// yield lets another member lead if this one waits for room on its disk: what may wait for that is
// bounded, and then nothing would be executed any more.
func (g *Group) yield(ctx context.Context) {
	if id := g.Successor(); g.disk.full && id != 0 {
		g.options.Logf("epoch %d: the disk is full, n%d is to lead", g.epoch, id)
		quorum.Go(ctx, "stream transfer", func(ctx context.Context) error { return g.Transfer(ctx, id) })
	}
}

// preferWaits bounds the election timeouts until the preferred member is asked again that could
// not win: nobody leads while it tries.
const preferWaits = 64

// prefer lets the preferred member lead if it can.
func (g *Group) prefer(ctx context.Context) {
	id := g.options.Preferred
	if p := g.reign.peers[id]; p == nil || id == g.id || !g.isVoter(id) || p.probing || p.match < g.reign.Barrier || !p.fit || !g.present(p) || g.rt.Elapsed() < g.preferAt {
		return
	}
	g.preferWait = min(max(2*g.preferWait, g.options.ElectionTimeout), preferWaits*g.options.ElectionTimeout)
	g.preferAt = g.rt.Elapsed() + g.preferWait
	quorum.Go(ctx, "stream transfer", func(ctx context.Context) error { return g.Transfer(ctx, id) })
}

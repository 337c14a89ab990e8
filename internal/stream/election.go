package stream

import (
	"context"
	"math"
	"time"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// silence measures how often a leader is heard of, and says how long it is worth
// waiting for it.
type silence struct {
	heard      time.Duration
	mean, dev  float64 // of the time between two messages
	least, max time.Duration
}

const (
	silenceGain   = 0.125 // of a new measurement in the mean
	silenceDevs   = 4     // deviations that are nothing unusual
	silenceBeats  = 4     // heartbeats that may be missed at least
	longAgo       = math.MinInt64 / 2
	splitDelayMax = 2 // heartbeats between a closed connection and a campaign, as a divisor
)

func newSilence(longest, heartbeat time.Duration) silence {
	return silence{heard: longAgo, mean: float64(heartbeat), least: min(silenceBeats*heartbeat, longest), max: longest}
}

// hear takes note of a message.
func (s *silence) hear(now time.Duration) {
	if d := float64(now - s.heard); now-s.heard < s.max {
		s.dev += silenceGain * (math.Abs(d-s.mean) - s.dev)
		s.mean += silenceGain * (d - s.mean)
	}
	s.heard = now
}

// forget makes it as if nothing was heard.
func (s *silence) forget() { s.heard = longAgo }

// limit returns how long the leader may be silent.
func (s *silence) limit() time.Duration {
	return min(max(time.Duration(s.mean+silenceDevs*s.dev), s.least), s.max)
}

// roles follows, campaigns and leads.
func (g *Group) roles(ctx context.Context) error {
	for {
		if err := quorum.Wait(ctx, g.election); err != nil {
			return err
		}
		transfer := g.asked
		g.asked = false
		g.expectLeader()
		// With a full disk a member votes, but could not lead for long.
		if !g.votes() || g.recovering || g.retired || g.damaged != nil || g.disk.full {
			continue
		}
		reports, err := g.campaign(ctx, transfer)
		if err == nil && reports != nil {
			err = g.rule(ctx, reports)
		}
		if ctx.Err() != nil {
			return err
		}
		if g.role == Candidate {
			g.stepDown(g.epoch, 0)
		}
	}
}

// expectLeader gives a leader time to be heard of, unless that has asked this member to lead: what it says behind that
// does not take it back.
func (g *Group) expectLeader() {
	if g.asked {
		return
	}
	d := g.silence.limit()
	if g.failures > 0 && g.leader == 0 {
		// There is none: whoever stood in the way is gone by then.
		d = min(d, g.options.Heartbeat<<min(g.failures, 16))
	}
	if g.rt.Rare("stream: early election") {
		d /= 10
	}
	g.election.Reset(d + time.Duration(g.rt.Host().Uint64()%uint64(d)))
}

// lost is called when no connection with another member stands any more: if that was the
// leader, it may have died.
func (g *Group) lost(from quorum.NodeID) {
	if g.leader == from && g.role == Follower {
		g.options.Logf("epoch %d: the leader's connection is closed", g.epoch)
		g.silence.forget()
		g.election.Reset(time.Duration(g.rt.Host().Uint64() % uint64(g.options.Heartbeat/splitDelayMax)))
	}
}

// observe takes note of an epoch. It returns false for one that is over.
func (g *Group) observe(epoch wal.Epoch) bool {
	if epoch > g.epoch {
		g.stepDown(epoch, 0)
	}
	return epoch == g.epoch
}

// stepDown makes the member a follower in an epoch, of a leader if one is known.
func (g *Group) stepDown(epoch wal.Epoch, leader quorum.NodeID) {
	if g.role != Follower {
		g.options.Logf("epoch %d: no %v any more, epoch %d", g.epoch, g.role, epoch)
		g.role, g.leader = Follower, 0
		g.reign.Ended.Set(struct{}{})
		g.expectLeader()
	}
	if epoch > g.epoch {
		g.epoch, g.vote, g.leader, g.open = epoch, 0, 0, epoch
		if g.recovering {
			g.open = 0 // it may have voted before it forgot
		}
		g.saveBallot()
	}
	if leader != 0 {
		g.leader, g.open = leader, 0
	}
}

// report is what a voter says of its log.
type report struct {
	from   quorum.NodeID
	folder wal.FolderID
	last   position
}

// campaign asks for the others' votes, and before that whether they would give them. It
// returns what a quorum has reported, nil if there was none.
func (g *Group) campaign(ctx context.Context, transfer bool) ([]report, error) {
	if !transfer && !g.rt.Rare("stream: no pre-vote") {
		if reports, err := g.poll(ctx, voteReq{epoch: g.epoch + 1, pre: true}); reports == nil {
			g.failures++
			return nil, err
		}
	}
	g.stepDown(g.epoch, 0)
	g.epoch++
	g.failures++
	g.vote, g.leader, g.open, g.role = g.id, 0, 0, Candidate
	g.saveBallot()
	g.options.Logf("epoch %d: campaigns", g.epoch)
	return g.poll(ctx, voteReq{epoch: g.epoch, transfer: transfer})
}

// poll asks all voters and returns the reports of a quorum that is for the member,
// which still is what it was.
func (g *Group) poll(ctx context.Context, req voteReq) ([]report, error) {
	ctx, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	epoch := g.epoch
	m := g.members()
	votes := g.methods.vote.Broadcast(ctx, g.endpoint, m.Voters, func(to quorum.NodeID) *voteReq {
		if to == g.id {
			return nil
		}
		its := req
		its.folder = m.Folders[to]
		return &its
	})
	// The own vote counts when it is on the own disk.
	own := &voteResp{epoch: req.epoch, granted: true, folder: g.options.Folder, last: g.log.position(), first: g.log.base.Number + 1}
	votes.AddEvent(g.id, own, g.disk.kept.Reached(g.promised))
	defer votes.Drop()
	accepts := func(_ quorum.NodeID, v *voteResp) bool {
		if v.epoch > g.epoch && !v.granted {
			g.observe(v.epoch)
		}
		// From whoever has discarded what the member lacks it could get nothing.
		return v.granted && (!req.pre || v.first <= g.log.last()+1)
	}
	err := votes.Need(m.quorum(), accepts).Wait(ctx)
	if err == nil && !req.pre {
		// Others can be a majority before the own disk has the epoch. Who led it and forgot
		// would ask for it again, and if granted, give its numbers to other rounds.
		err = g.disk.kept.Wait(ctx, g.promised)
	}
	if err != nil || g.epoch != epoch || g.retired {
		return nil, err
	}
	var reports []report
	for from, v := range votes.Replies() {
		if v.granted {
			reports = append(reports, report{from, v.folder, v.last})
		}
	}
	return reports, nil
}

// handleVote answers a candidate.
func (g *Group) handleVote(ctx context.Context, from quorum.NodeID, req *voteReq) (*voteResp, error) {
	if err := g.expect(req.folder); err != nil {
		// Who asks may have been away for long; the own log may know better.
		g.otherFolder = g.otherFolder || !g.isCounted()
		return nil, err
	}
	// Who hears from a leader does not help to depose it.
	led := g.role == Leader || g.rt.Elapsed()-g.silence.heard < g.silence.limit()
	// An epoch is granted once. Who asks for it again under the same name may have won it before, and
	// have lost its disk.
	over := req.epoch <= g.epoch && req.epoch != g.open
	if over || led && !req.transfer || g.recovering || g.retired || g.found != nil {
		return &voteResp{epoch: g.epoch}, nil
	}
	if !req.pre {
		g.observe(req.epoch)
		g.vote, g.open = from, 0
		g.saveBallot()
		g.expectLeader()
		if err := g.disk.kept.Wait(ctx, g.promised); err != nil {
			return nil, err
		}
		if g.epoch != req.epoch {
			return &voteResp{epoch: g.epoch}, nil
		}
	}
	return &voteResp{epoch: g.epoch, granted: true, folder: g.options.Folder, last: g.log.position(), first: g.log.base.Number + 1}, nil
}

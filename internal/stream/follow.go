package stream

import (
	"context"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// handleAppend takes what a leader sends.
func (g *Group) handleAppend(ctx context.Context, from quorum.NodeID, req *appendReq) (*appendResp, error) {
	if !req.sound(req.epoch) {
		return nil, quorum.ErrBadMessage
	}
	if g.retired {
		return nil, ErrRetired
	}
	if err := g.expect(req.folder); err != nil {
		// Who leads knows. Who has led may have been away for long: the own log may know better.
		g.otherFolder = g.otherFolder || req.epoch >= g.epoch || !g.isCounted()
		return nil, err
	}
	g.otherFolder = false
	if g.found != nil && req.epoch < g.epoch {
		// What this member has promised ends an epoch that helps it no more.
		return &appendResp{epoch: g.epoch}, nil
	}
	if g.found != nil {
		g.claimant = claimant{from, req.epoch}
		return nil, ErrDamaged
	}
	if !g.follows(from, req.epoch) {
		return &appendResp{epoch: g.epoch}, nil
	}
	if next, ok := g.matches(req.prev); !ok {
		if next < req.first {
			g.first = req.first
			g.behind.Advance(g.behind.Value() + 1)
		}
		return g.answer(ctx, req.epoch, g.log.last(), &appendResp{next: next})
	}
	if len(req.rounds) > 0 && g.disk.bytes > g.options.BacklogBytesMax {
		return nil, quorum.ErrOverloaded
	}
	g.take(req.rounds)
	g.match(req.epoch, req.end())
	resp, err := g.answer(ctx, req.epoch, req.end(), &appendResp{ok: true, next: req.end() + 1})
	if err == nil && resp.ok {
		// What is behind the end of the request may be another's.
		g.advance(min(req.commit, req.end()))
	}
	return resp, err
}

// follows takes note of a leader and tells whether it is one.
func (g *Group) follows(leader quorum.NodeID, epoch wal.Epoch) bool {
	if !g.observe(epoch) {
		return false
	}
	if g.role == Leader {
		panic("stream: two leaders in one epoch")
	}
	g.stepDown(epoch, leader)
	g.failures = 0
	if leader == g.options.Preferred {
		g.preferWait = 0
	}
	g.silence.hear(g.rt.Elapsed())
	g.expectLeader()
	return true
}

// answer replies when the rounds up to one are where Durability wants them, and the
// promise to take nothing of older epochs is on the disk; and if the epoch has not ended
// meanwhile.
func (g *Group) answer(ctx context.Context, epoch wal.Epoch, rounds wal.RoundNumber, resp *appendResp) (*appendResp, error) {
	if err := g.settled(ctx, rounds > g.disk.written); err != nil {
		return nil, err
	}
	if resp.epoch = g.epoch; g.epoch != epoch {
		resp.ok = false
	}
	resp.fit = !g.recovering && !g.disk.full
	return resp, nil
}

// settled waits until the promises so far are on the disk; and with rounds all else, too, if
// what the member acknowledges waits for its disk.
func (g *Group) settled(ctx context.Context, rounds bool) error {
	if rounds && g.lazyMax() == 0 {
		return g.disk.durable.Wait(ctx, g.disk.put.Value())
	}
	return g.disk.kept.Wait(ctx, g.promised)
}

package stream

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// With Memory a member may have acknowledged rounds that its disk has lost. So after a
// restart it does not vote before it has got them again: it asks the leader, which
// confirms that it leads, and has to match the leader's log up to where that ended when
// it was asked. Whatever the member's earlier life has acknowledged is in there: no later
// epoch had begun when the leader was confirmed, because what the member has promised
// is on its disk.

// The first leader needs the votes of all, so a new group would never have one if a member
// that has acknowledged nothing, or what came to nothing, did not vote after a restart.
// Therefore a member waits for its disk until it is durable which folders count (outrunDisk);
// from then on a majority elects. That it does not wait is in its ballot (wal.Ballot.Ahead), so it
// has to recover also if it is opened with Disk after that.

// outrunDisk has the member wait for its disk no longer, with Memory, if that is how it should be.
func (g *Group) outrunDisk() {
	if m := g.log.membershipAt(g.committed()); g.options.Durability == Memory && !g.ahead && !g.retired && m.known() {
		g.ahead = true
		g.disk.lazyMax = g.lazyMax()
		g.saveBallot() // it is durable before the next acknowledgement
	}
}

// lazyMax returns how many bytes of rounds that nobody waits for may wait to be written; it is
// 0 if what the member acknowledges waits for its disk.
func (g *Group) lazyMax() uint64 {
	if g.options.Durability == Disk || !g.ahead {
		return 0
	}
	return min(lazyBytes, g.options.BacklogBytesMax/4)
}

// A member that ends on purpose retires before: then its disk has all that it has
// acknowledged, and says so, and after the restart it votes at once.

// Retire ends the member's part in the group, and returns when its disk has all that it
// has acknowledged. Run has to run, and ends later.
func (g *Group) Retire(ctx context.Context) error {
	g.retired = true
	g.stepDown(g.epoch, 0)
	if g.found != nil {
		return nil // it has acknowledged nothing
	}
	if err := g.disk.sync(ctx); err != nil {
		return err
	}
	g.ahead = g.ahead && g.recovering
	g.saveBallot()
	return g.disk.sync(ctx)
}

// recover makes the member a voter again.
func (g *Group) recover(ctx context.Context) error {
	for g.recovering {
		if err := quorum.Sleep(ctx, g.options.Heartbeat); err != nil {
			return err
		}
		if g.leader == 0 || g.leader == g.id {
			continue
		}
		err := g.regain(ctx)
		if ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// regain asks the leader once, and waits for its rounds for a while.
func (g *Group) regain(ctx context.Context) error {
	epoch := g.epoch
	// A question that is lost is asked again soon: meanwhile there is a voter less.
	asking, done := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	resp, err := g.methods.end.Call(asking, g.endpoint, g.leader, &campaignReq{epoch})
	done()
	if err != nil {
		return err
	}
	ctx, cancel := quorum.WithTimeout(ctx, fetchTimeouts*g.options.ElectionTimeout)
	defer cancel()
	if !resp.ok || resp.epoch != epoch {
		return ErrNotLeader
	}
	for g.epoch == epoch {
		if g.matched.epoch == epoch && g.matched.number+1 >= resp.next {
			if g.lostRounds || g.options.Durability == Disk {
				// First the rounds, then that they are there.
				if err := g.disk.sync(ctx); err != nil {
					return err
				}
				g.lostRounds = false
				g.ahead = g.options.Durability == Memory
				g.saveBallot()
				if err := g.disk.kept.Wait(ctx, g.promised); err != nil {
					return err
				}
			}
			g.recovering = false
			g.options.Logf("epoch %d: votes again, has round %d", epoch, g.matched.number)
			return nil
		}
		if err := quorum.Sleep(ctx, g.options.Heartbeat); err != nil {
			return err
		}
	}
	return ErrNotLeader
}

// handleEnd says where the leader's log ends.
func (g *Group) handleEnd(ctx context.Context, _ quorum.NodeID, req *campaignReq) (*appendResp, error) {
	if g.role != Leader || g.epoch != req.epoch {
		return &appendResp{epoch: g.epoch}, nil
	}
	last := g.log.last()
	if err := g.Confirm(ctx); errors.Is(err, ErrNotLeader) {
		return &appendResp{epoch: g.epoch}, nil
	} else if err != nil {
		return nil, err
	}
	return &appendResp{epoch: req.epoch, ok: true, next: last + 1}, nil
}

// match notes up to where the log is the one of an epoch's leader.
func (g *Group) match(epoch wal.Epoch, number wal.RoundNumber) {
	if p := (position{epoch, number}); g.matched.less(&p) {
		g.matched = p
	}
}

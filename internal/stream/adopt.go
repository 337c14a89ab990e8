package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/quorum"
)

// fetchTimeouts is for how many election timeouts a candidate fetches from one voter,
// which sees to it that no other is elected meanwhile.
const fetchTimeouts = 20

var (
	errDeposed  = errors.New("stream: the epoch is over")
	errNotThere = errors.New("stream: the voter does not have what it has reported")
)

// adopt makes the own log the one with the highest (last epoch, last number) of those
// that a quorum has reported. It has all that is durable: those who made it durable
// and those who have voted have one in common.
func (g *Group) adopt(ctx context.Context, reports []report) error {
	best := g.log.position()
	for i := range reports {
		if best.less(&reports[i].last) {
			best = reports[i].last
		}
	}
	if best == g.log.position() {
		return nil
	}
	err := errNotThere
	for _, r := range reports {
		if r.last != best || r.from == g.id {
			continue
		}
		if err = g.fetch(ctx, r.from, best); err == nil || g.role != Candidate {
			return err
		}
		g.options.Logf("epoch %d: n%d does not give its log: %v", g.epoch, r.from, err)
	}
	return err
}

// fetch gets what a voter has up to its end and the own log lacks, piece by piece.
// What it has got when it fails is a part of that log, and does no harm.
func (g *Group) fetch(ctx context.Context, from quorum.NodeID, end position) error {
	ctx, cancel := quorum.WithTimeout(ctx, fetchTimeouts*g.options.ElectionTimeout)
	defer cancel()
	epoch := g.epoch
	next := min(g.log.last(), end.number) + 1
	for g.log.position() != end {
		prev := position{number: next - 1}
		var ok bool
		if prev.epoch, ok = g.log.epoch(prev.number); !ok || prev.number < g.committed() {
			return fmt.Errorf("%w: nothing behind %d", errNotThere, prev.number)
		}
		resp, err := g.piece(ctx, from, &fetchReq{epoch, prev, uint64(g.options.PieceBytesMax)})
		if err != nil {
			return err
		}
		if g.observe(resp.epoch); g.epoch != epoch || g.role != Candidate {
			return errDeposed
		}
		// What is durable is the same everywhere: it matches there at the latest, though the
		// voter, who knows nothing of that, may want to begin earlier.
		if lowest := g.committed() + 1; !resp.ok && resp.next < next && next > lowest {
			next = max(resp.next, lowest)
			continue
		}
		if !resp.ok || resp.prev != prev || len(resp.rounds) == 0 || resp.end() > end.number || !resp.sound(end.epoch) {
			return errNotThere
		}
		g.take(resp.rounds)
		next = resp.end() + 1
		if g.disk.bytes > g.options.BacklogBytesMax {
			if err := g.disk.sync(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// piece asks for one piece, not for long.
func (g *Group) piece(ctx context.Context, from quorum.NodeID, req *fetchReq) (*fetchResp, error) {
	ctx, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	return g.methods.fetch.Call(ctx, g.endpoint, from, req)
}

// handleFetch gives a candidate a piece of the log. The voter has promised not to
// change it in that epoch unless the candidate leads.
func (g *Group) handleFetch(ctx context.Context, from quorum.NodeID, req *fetchReq) (*fetchResp, error) {
	if req.epoch != g.epoch || g.vote != from || g.found != nil {
		return &fetchResp{appendResp: appendResp{epoch: g.epoch}}, nil
	}
	g.silence.hear(g.rt.Elapsed()) // there will be a leader
	g.expectLeader()
	resp := &fetchResp{appendResp: appendResp{epoch: g.epoch}}
	base := &g.log.base
	switch next, ok := g.matches(req.prev); {
	case req.prev.number < base.Number || req.prev.number == base.Number && req.prev.epoch != base.Epoch:
		return resp, nil // it needs a snapshot
	case !ok:
		resp.next = next
		return resp, nil
	}
	if req.prev.number < g.log.last() {
		rounds, err := g.Rounds(ctx, req.prev.number+1, int(min(req.bytesMax, uint64(g.options.PieceBytesMax))))
		if err != nil {
			return nil, err
		}
		resp.rounds = rounds
	}
	resp.epoch, resp.ok, resp.prev = g.epoch, true, req.prev
	return resp, nil
}

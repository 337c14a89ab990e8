package copilot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// peer is what a pilot knows of a member, itself included.
type peer struct {
	id       quorum.NodeID
	match    uint64 // entries up to here are on its disk, in this epoch
	next     uint64 // what to send next
	told     uint64 // up to where it has been told of commits
	executed pair
	work     *quorum.Watermark // moves when there is something to send

	synced   bool          // it is in the epoch, and has all that was sent before
	inflight int           // requests without an answer
	sent     time.Duration // when the last request went out
	silent   time.Duration // since when it owes an answer
	latency  time.Duration // of its answers, smoothed; 0 before the first
}

const (
	windowMax     = 8 // requests to one node that wait for an answer
	latencyWeight = 4 // how many answers the smoothed latency is about
)

// ownDisk makes the pilot's disk a voter.
func (p *pilot) ownDisk(ctx context.Context, x *peer) error {
	for {
		last, put := p.log.last(), p.n.journal.Put().Value()
		if err := p.n.journal.Durable().Wait(ctx, put); err != nil || !p.leads() {
			return err
		}
		x.match = last
		p.decide()
		if err := p.n.journal.Put().Wait(ctx, put+1); err != nil {
			return err
		}
	}
}

// replicate brings one node's logs up to the pilot's and keeps them there. Entries go
// out as they come, while answers to earlier ones are still on their way.
func (p *pilot) replicate(ctx context.Context, x *peer) error {
	for p.leads() {
		seen := x.work.Value()
		if p.due(x) {
			p.exchange(ctx, x)
			continue
		}
		if err := quorum.WaitFor(ctx, x.work.Reached(seen+1), p.n.options.Heartbeat/2); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
	return nil
}

// due tells whether a peer should be sent something now. The other pilot is told of
// commits at once, since its entries may wait for them.
func (p *pilot) due(x *peer) bool {
	if !x.synced {
		return x.inflight == 0 // until an answer says what it has
	}
	news := x.next <= p.log.last() || x == p.other && x.told < p.log.commit
	return x.inflight < windowMax && (news || p.n.rt.Elapsed()-x.sent >= p.n.options.Heartbeat/2)
}

// kick makes the replicating tasks send what is due.
func (p *pilot) kick() {
	for _, x := range p.peers {
		if x.id != p.n.id && p.due(x) {
			x.work.Advance(x.work.Value() + 1)
		}
	}
}

// exchange sends a peer what it lacks, and handles the answer in a task that is
// the only one to wait for it, and not for long.
func (p *pilot) exchange(ctx context.Context, x *peer) {
	n, sent := p.n, p.n.rt.Elapsed()
	x.sent = sent
	if x.inflight++; x.inflight == 1 {
		x.silent = sent
	}
	req := p.request(x)
	quorum.Go(ctx, "copilot exchange", func(ctx context.Context) error {
		defer func() { x.inflight--; p.kick() }()
		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)
		defer cancel()
		resp, err := n.methods.append.Call(short, n.endpoint, x.id, req)
		x.silent = n.rt.Elapsed()
		x.latency += (x.silent - sent - x.latency) / latencyWeight
		if err != nil {
			x.synced = false
			return quorum.Sleep(ctx, n.options.Heartbeat/2)
		}
		p.answered(x, req, resp)
		return nil
	})
}

// answered takes a peer's answer to a request.
func (p *pilot) answered(x *peer, req *state, resp *appendResp) {
	n := p.n
	if !p.leads() {
		return // what is said of its epoch is not about the logs that there are now
	}
	if resp.promised > n.opened {
		n.options.Logf("epoch %x: n%d is in epoch %x", n.opened, x.id, resp.promised)
		n.heard = n.rt.Elapsed()
		n.retire() // the task that has the answer too
		return
	}
	x.executed = resp.executed
	whole, reached := req.from[1-p.j] > 0, resp.last[p.j]
	x.synced = resp.opened == n.opened && reached+1 >= req.from[p.j] && (x.synced || whole)
	x.match = max(x.match, min(reached, p.log.last()))
	x.next = max(x.next, x.match+1)
	n.advanceFront(resp.front)
	p.decide()
}

// request makes the next request for a peer: entries of the pilot's log that it
// lacks, or both logs as they are.
func (p *pilot) request(x *peer) *state {
	x.told = p.log.commit
	if !x.synced || x.next <= p.log.base {
		x.synced, x.next = false, p.log.last()+1
		return p.n.since(x.executed)
	}
	req := p.n.nothing()
	req.from[p.j] = x.next
	bytes := 0
	for _, e := range p.log.from(x.next) {
		if bytes += e.bytes(); x.next > req.from[p.j] && bytes > p.n.options.BatchBytesMax {
			break
		}
		x.next++
	}
	req.entries[p.j] = p.log.from(req.from[p.j])[:x.next-req.from[p.j]]
	return req
}

// handleAppend takes what a pilot says of the logs.
func (n *Node) handleAppend(ctx context.Context, from quorum.NodeID, req *state) (*appendResp, error) {
	if !slices.Contains(req.pilots[:], from) {
		return nil, quorum.ErrBadMessage
	}
	if req.epoch >= n.promised {
		n.heard = n.rt.Elapsed()
		if n.pilot != nil || !slices.Contains(n.pilots[:], n.id) {
			n.expectPilots() // one who was a pilot and is none wants another epoch
		}
		n.take(req)
	}
	last, in := n.ends(), n.inEpoch(req.epoch)
	if in {
		if err := n.journal.Sync(ctx); err != nil {
			return nil, err
		}
	}
	resp := &appendResp{promised: n.promised, opened: n.opened, executed: n.executed}
	if in && n.inEpoch(req.epoch) {
		resp.last, resp.front = last, n.front
	}
	return resp, nil
}

// inEpoch tells whether the node takes part in an epoch.
func (n *Node) inEpoch(epoch uint64) bool { return epoch == n.opened && epoch == n.promised }

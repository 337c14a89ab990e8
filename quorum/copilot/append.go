package copilot

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/quorum"
)

// ownDisk makes the pilot's disk a voter.
func (p *pilot) ownDisk(ctx context.Context, x *peer) error {
	x.opened, x.fresh = true, true
	for {
		last, put := p.log.last(), p.n.journal.Put().Value()
		if err := p.n.journal.Durable().Wait(ctx, put); err != nil {
			return err
		}
		for i := max(x.match, p.log.commit) + 1; i <= last; i++ {
			x.votes[i] = p.n.vote(p.j, i)
		}
		x.match = last
		if !p.saved {
			p.saved = true
			p.offer()
		}
		p.decide()
		if err := p.n.journal.Put().Wait(ctx, put+1); err != nil {
			return err
		}
	}
}

// replicate brings one node's log up to the pilot's and keeps it there. Records go
// out as they come, while answers to earlier ones are still on their way. The
// other pilot is told of commits at once, since its entries may wait for them.
func (p *pilot) replicate(ctx context.Context, x *peer) error {
	heartbeat := p.n.options.Heartbeat
	for {
		seen, now := p.work.Value(), p.n.rt.Elapsed()
		window := windowMax
		if x.probing {
			window = 1 // until an answer says what it has
		}
		due := x.next <= p.log.last() || x == p.other && x.told < p.log.commit || now-x.sent >= heartbeat
		if due && x.inflight < window {
			p.exchange(ctx, x)
			continue
		}
		wait := heartbeat
		if x.inflight == 0 {
			wait -= now - x.sent
		}
		if err := quorum.WaitFor(ctx, p.work.Reached(seen+1), wait); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
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
	prev, commit := x.next-1, p.log.commit // of the request
	call := p.request(x)
	quorum.Go(ctx, "copilot exchange", func(ctx context.Context) error {
		defer func() { x.inflight--; p.kick() }()
		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)
		defer cancel()
		resp, err := call(short)
		now := n.rt.Elapsed()
		x.silent = now
		x.latency += (now - sent - x.latency) / latencyWeight
		if err != nil {
			x.next, x.probing = x.match+1, true
			return quorum.Sleep(ctx, n.options.Heartbeat/2)
		}
		if resp.promised > p.epoch {
			n.options.Logf("epoch %x: n%d is in epoch %x", p.epoch, x.id, resp.promised)
			n.heard = now
			n.retire() // this task too ends here
			return nil
		}
		x.heard, x.commit, x.known, x.fresh = max(x.heard, sent), resp.commit, true, resp.fresh
		if x.opened = resp.opened == p.epoch; !x.opened {
			x.next, x.probing = x.match+1, true
			return nil
		}
		for i, v := range resp.votes {
			if i := commit + 1 + uint64(i); i > p.log.commit && i <= p.log.last() {
				x.votes[i] = v
			}
		}
		x.match = max(x.match, min(resp.last, p.log.last()))
		if x.probing = resp.last < prev; x.probing || x.next <= x.match {
			x.next = x.match + 1
		}
		p.decide()
		return nil
	})
}

// latencyWeight is how many answers the smoothed latency is about.
const latencyWeight = 4

// request makes the next request for a peer: records that it lacks, or the epoch
// itself.
func (p *pilot) request(x *peer) (call func(context.Context) (*appendResp, error)) {
	n := p.n
	if x.probing && x.known && !x.opened || x.next <= p.log.base {
		x.probing = true
		// What is not committed it gets from the pilots, for its vote.
		ends := n.commits()
		for j := range ends {
			ends[j] = max(ends[j], n.logs[j].settled)
		}
		req := &openReq{n.behindOrSnapshot(x.commit, ends)}
		return func(ctx context.Context) (*appendResp, error) { return n.methods.open.Call(ctx, n.endpoint, x.id, req) }
	}
	req := &appendReq{epoch: p.epoch, log: uint64(p.j), prev: x.next - 1, commit: p.log.commit}
	if x.opened {
		bytes := 0
		for _, r := range p.log.from(x.next) {
			if bytes += r.bytes(); len(req.records) > 0 && bytes > n.options.BatchBytesMax {
				break
			}
			req.records = append(req.records, r)
		}
	}
	x.next += uint64(len(req.records))
	x.told = p.log.commit
	return func(ctx context.Context) (*appendResp, error) {
		return n.methods.append.Call(ctx, n.endpoint, x.id, req)
	}
}

// handleAppend takes records of a pilot's log.
func (n *Node) handleAppend(ctx context.Context, from quorum.NodeID, req *appendReq) (*appendResp, error) {
	if req.log >= logs {
		return nil, quorum.ErrBadMessage
	}
	j := int(req.log)
	if req.epoch >= n.promised {
		n.heard = n.rt.Elapsed()
		n.expectPilots()
	}
	if !n.inEpoch(req.epoch) || n.pilots[j] != from {
		return n.answer(ctx, req.epoch, j, req.commit)
	}
	l := &n.logs[j]
	if req.prev <= l.last() {
		for k := range req.records {
			if i := req.prev + 1 + uint64(k); i > l.last() {
				n.append(j, req.records[k])
			}
		}
	}
	// Not a part of it: a ruling that is about the last entries may be missing.
	if req.commit <= l.last() {
		n.committed(j, req.commit)
	}
	if n.pilot != nil {
		n.pilot.offer()
	}
	return n.answer(ctx, req.epoch, j, req.commit)
}

// inEpoch tells whether the node takes part in an epoch.
func (n *Node) inEpoch(epoch uint64) bool { return epoch == n.opened && epoch == n.promised }

// answer replies when all that the answer says is on the disk, with votes for what
// the pilot has not committed.
func (n *Node) answer(ctx context.Context, epoch uint64, j int, commit uint64) (*appendResp, error) {
	if !n.inEpoch(epoch) {
		return &appendResp{promised: n.promised, opened: n.opened, commit: n.commits()}, nil
	}
	last := n.logs[j].last()
	if err := n.journal.Sync(ctx); err != nil {
		return nil, err
	}
	resp := &appendResp{promised: n.promised, opened: n.opened, fresh: n.fresh, commit: n.commits()}
	if n.inEpoch(epoch) {
		resp.last = last
		for i := commit + 1; i <= last; i++ {
			resp.votes = append(resp.votes, n.vote(j, i))
		}
	}
	return resp, nil
}

// vote returns the dependency that a record should have by what this node knows,
// which has it on its disk: the one it was proposed with, or, if another entry
// crosses it, all of the other log.
func (n *Node) vote(j int, i uint64) uint64 {
	l, o := &n.logs[j], &n.logs[1-j]
	switch {
	case i <= l.commit: // decided
		return 0
	case !l.at(i).ruling() && crossed(l, o, i):
		return o.last()
	}
	return l.at(i).dep
}

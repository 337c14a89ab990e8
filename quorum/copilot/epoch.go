package copilot

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// roles wants to be a pilot when none is heard of, or the other one is slow.
func (n *Node) roles(ctx context.Context) error {
	for {
		if err := quorum.Wait(ctx, n.election); err != nil {
			return err
		}
		n.expectPilots()
		n.takeover(ctx)
	}
}

// within draws a time between one and two of d.
func (n *Node) within(d time.Duration) time.Duration {
	return d + time.Duration(n.rt.Host().Uint64()%uint64(d))
}

// expectPilots gives pilots an election timeout to be heard of.
func (n *Node) expectPilots() { n.election.Reset(n.within(n.options.ElectionTimeout)) }

// promise takes the node out of all epochs before one.
func (n *Node) promise(epoch uint64) {
	n.retire()
	n.promised, n.promisedAt = epoch, n.rt.Elapsed()
	n.save(n.since(n.ends()))
}

// takeover opens a new epoch whose pilots are this node and the one that answers
// first: a pilot that was slow in the last epoch is none in the next, if any other
// node is quicker.
func (n *Node) takeover(ctx context.Context) {
	ctx, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)
	defer cancel()
	// In the number, the node's name keeps two nodes from opening the same epoch.
	epoch := (n.promised>>32+1)<<32 | uint64(n.id)
	req := prepareReq{epoch: epoch, pre: true}
	if slices.Contains(n.pilots[:], n.id) {
		req.opened = n.opened
	}
	if _, _, ok := n.prepare(ctx, req); !ok || n.promised >= epoch {
		return
	}
	n.options.Logf("epoch %x: wants to open it", epoch)
	n.promise(epoch)
	n.election.Reset(n.within(4 * n.patience)) // if this fails
	req.pre, req.executed = false, n.executed
	from, replies, ok := n.prepare(ctx, req)
	// The own promise has to be on the disk before the epoch is opened: who forgot
	// it could open another of the same number.
	if ok && n.journal.Sync(ctx) == nil && n.promised == epoch && n.learn(replies) {
		n.open(epoch, from[0])
	}
}

// prepare asks all nodes for their promise and tells whether a majority gives it,
// this node included, and who else, in the order of their replies.
func (n *Node) prepare(ctx context.Context, req prepareReq) (from []quorum.NodeID, replies []*prepareResp, ok bool) {
	votes := n.methods.prepare.Broadcast(ctx, n.endpoint, n.options.Members, func(to quorum.NodeID) *prepareReq {
		if to == n.id {
			return nil
		}
		return &req
	})
	defer votes.Drop()
	err := votes.Need(n.majority()-1, func(id quorum.NodeID, r *prepareResp) bool {
		if r.granted {
			from, replies = append(from, id), append(replies, r)
		}
		return r.granted
	}).Wait(ctx)
	return from, replies, err == nil
}

// handlePrepare answers who wants to open an epoch.
func (n *Node) handlePrepare(ctx context.Context, from quorum.NodeID, req *prepareReq) (*prepareResp, error) {
	now := n.rt.Elapsed()
	switch {
	case req.epoch <= n.promised, now-n.promisedAt < n.options.TakeoverTimeout:
		return &prepareResp{}, nil // an epoch has its time to be opened
	case (req.opened == 0 || req.opened < n.opened) && (n.pilot != nil || now-n.heard < n.options.ElectionTimeout):
		return &prepareResp{}, nil // who hears from a pilot helps only pilots to depose it
	case req.pre:
		return &prepareResp{granted: true}, nil
	}
	n.options.Logf("epoch %x: promised to n%d", req.epoch, from)
	n.promise(req.epoch)
	n.expectPilots()
	if err := n.journal.Sync(ctx); err != nil {
		return nil, err
	}
	if n.promised != req.epoch || n.opened == req.epoch {
		return &prepareResp{}, nil
	}
	return &prepareResp{true, *n.since(req.executed)}, nil
}

// learn takes over the most that any node of a majority has of the last epoch that
// was opened at one of them. In an epoch each log has one writer, so what nodes
// have of it are beginnings of the same log, and the longest holds all that is
// committed. What was committed in earlier epochs, that epoch began with.
func (n *Node) learn(replies []*prepareResp) bool {
	slices.SortFunc(replies, func(a, b *prepareResp) int { return cmp.Compare(b.epoch, a.epoch) })
	for _, r := range replies {
		if r.epoch >= n.opened && !n.take(&r.state) {
			return false
		}
	}
	return true
}

// open opens an epoch with what the logs are now. An entry of log 0 that depends on
// entries of log 1 that are lost was carried out nowhere, nor were they: it comes
// after all that there is.
func (n *Node) open(epoch uint64, other quorum.NodeID) {
	s := n.since(n.executed)
	s.entries[0] = slices.Clone(s.entries[0])
	for i := range s.entries[0] {
		e := &s.entries[0][i]
		e.dep = min(e.dep, n.logs[1].last())
	}
	// A pilot keeps its log, and so does the other one.
	j := 0
	if n.pilots[1] == n.id || n.pilots[0] == other {
		j = 1
	}
	s.epoch, s.front, s.commit = epoch, n.ends(), n.executed
	s.pilots[j], s.pilots[1-j] = n.id, other
	n.take(s)
}

// begin takes part in an epoch that has been opened. A pilot does nothing before its
// disk has that: it could forget that it is one, be told again, and give the same
// places in its log to other entries.
func (n *Node) begin() {
	n.options.Logf("epoch %x: opened, pilots %v, logs end at %v", n.opened, n.pilots, n.ends())
	n.expectPilots()
	j, epoch := slices.Index(n.pilots[:], n.id), n.opened
	if j < 0 || n.ctx == nil {
		n.failWaiting()
		return
	}
	quorum.Go(n.ctx, "copilot begin", func(ctx context.Context) error {
		err := n.journal.Sync(ctx)
		if err == nil && n.inEpoch(epoch) {
			n.lead(j)
		}
		return err
	})
}

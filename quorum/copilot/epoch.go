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
		if ctx.Err() != nil {
			return ctx.Err()
		}
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
	n.savePromise()
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
	if n.pilot != nil {
		req.opened = n.opened
	}
	if _, _, ok := n.prepare(ctx, req); !ok || n.promised >= epoch {
		return
	}
	n.options.Logf("epoch %x: wants to open it", epoch)
	n.promise(epoch)
	n.election.Reset(n.within(4 * n.patience)) // if this fails
	req.pre, req.commit = false, n.commits()
	other, replies, ok := n.prepare(ctx, req)
	// The own promise has to be on the disk before the epoch is opened: who forgot
	// it could open another of the same number.
	if !ok || n.journal.Sync(ctx) != nil || n.promised != epoch {
		return
	}
	if n.learn(replies) {
		n.open(epoch, other)
	} else {
		n.saveAll() // it may have learnt in part
	}
}

// prepare asks all nodes for their promise and tells whether a majority gives it,
// this node included, and who did so first.
func (n *Node) prepare(ctx context.Context, req prepareReq) (first quorum.NodeID, replies []*prepareResp, ok bool) {
	votes := n.methods.prepare.Broadcast(ctx, n.endpoint, n.options.Members, func(to quorum.NodeID) *prepareReq {
		if to == n.id {
			return nil
		}
		return &req
	})
	defer votes.Drop()
	others := n.majority() - 1
	err := votes.Need(others, func(from quorum.NodeID, r *prepareResp) bool {
		if r.granted {
			if first == 0 {
				first = from
			}
			replies = append(replies, r)
		}
		return r.granted
	}).Wait(ctx)
	return first, replies, err == nil
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
	return &prepareResp{true, n.behindOrSnapshot(req.commit, n.ends())}, nil
}

// open opens an epoch with what the logs are now.
//
// The uncommitted entries of both logs get their final dependencies here. What a
// ruling said of an entry stands: a majority may have it. An entry without one may
// have been committed the fast way, with the dependency that it was proposed with.
// It then has the other pilot's vote, and no entry crosses it: the other pilot had
// proposed none when it voted, and proposed none later, since it knew of the entry;
// if it has started again and may not know any more, it proposes nothing in that
// epoch, and its vote does not make anything fast. So an entry that is crossed was
// not committed; nobody has carried it out, and it may as well come after all that
// the other log has. One that is not crossed keeps its dependency, which is right
// whether it was committed or not: of all entries that there are now, those that it
// does not come after come after it. So no votes need to be looked at, and it does
// not matter which majority has answered.
func (n *Node) open(epoch uint64, other quorum.NodeID) {
	for j := range n.logs {
		l, o := &n.logs[j], &n.logs[1-j]
		for i := max(l.settled, l.base) + 1; i <= l.last(); i++ {
			if !l.at(i).ruling() && !l.at(i).ruled && crossed(l, o, i) {
				l.at(i).final = o.last()
			}
		}
	}
	for j := range n.logs {
		l := &n.logs[j]
		for i := range l.records {
			if r := &l.records[i]; !r.ruling() {
				r.dep = r.final
			}
		}
		l.settled = l.last()
	}
	// A pilot keeps its log, and so does the other one.
	j := 0
	if n.pilots[1] == n.id || n.pilots[0] == other {
		j = 1
	}
	n.opened = epoch
	n.pilots[j], n.pilots[1-j] = n.id, other
	n.begin()
}

// begin saves an epoch that has been opened here and takes part in it.
func (n *Node) begin() {
	n.options.Logf("epoch %x: opened, pilots %v, logs end at %d and %d", n.opened, n.pilots, n.logs[0].last(), n.logs[1].last())
	n.promised, n.fresh = n.opened, true
	n.journal.Append(&stored{kind: storedOpen, state: n.behind(n.commits(), n.ends())})
	n.expectPilots()
	n.settleRole()
}

// settleRole makes the node a pilot if the epoch says so. One that has started
// again since it was opened is none.
func (n *Node) settleRole() {
	n.retire()
	j := slices.Index(n.pilots[:], n.id)
	if j < 0 || !n.fresh || n.ctx == nil {
		n.failWaiting()
		return
	}
	n.lead(j)
}

// handleOpen takes part in an epoch that another node has opened.
func (n *Node) handleOpen(ctx context.Context, from quorum.NodeID, req *openReq) (*appendResp, error) {
	j := slices.Index(req.pilots[:], from)
	if j < 0 || req.pilots[1-j] == from {
		return nil, quorum.ErrBadMessage
	}
	switch s := &req.state; {
	case !n.follows(s):
	case n.inEpoch(s.epoch): // it has fallen behind
		if before := n.ends(); n.restoreNewer(s) && n.reaches(s) {
			if n.extend(s); n.ends() != before {
				n.saveAll()
			}
		}
	case s.epoch >= n.promised && s.epoch > n.opened && n.take(s):
		n.begin()
	}
	n.heard = n.rt.Elapsed()
	return n.answer(ctx, req.epoch, j, n.logs[j].last())
}

// commits returns how far the logs are committed.
func (n *Node) commits() pair { return pair{n.logs[0].commit, n.logs[1].commit} }

// ends returns where the logs end.
func (n *Node) ends() pair { return pair{n.logs[0].last(), n.logs[1].last()} }

// behind returns the logs behind a place, up to ends.
func (n *Node) behind(at, ends pair) state {
	s := state{epoch: n.opened, pilots: n.pilots}
	for j := range n.logs {
		// No further than the log goes: who has more would think that it goes on.
		s.settled[j], s.from[j] = n.logs[j].settled, min(at[j], ends[j])+1
		s.records[j] = n.logs[j].from(s.from[j])[:ends[j]+1-s.from[j]]
	}
	return s
}

// stateBytesMax is about how much of the logs is sent in place of a snapshot.
const stateBytesMax = 1 << 20

// behindOrSnapshot returns the logs behind what a node has committed, or a snapshot
// and the logs behind that.
func (n *Node) behindOrSnapshot(commit, ends pair) state {
	bytes, gone := 0, false
	for j := range n.logs {
		gone = gone || commit[j] < n.logs[j].base
		for i := max(commit[j], n.logs[j].base) + 1; i <= ends[j]; i++ {
			bytes += n.logs[j].at(i).bytes()
		}
	}
	if !gone && bytes <= stateBytesMax {
		return n.behind(commit, ends)
	}
	if bytes > stateBytesMax {
		n.compact()
	}
	s := n.behind(n.snapshot.at, ends)
	s.snapshot = []snapshot{n.snapshot}
	return s
}

// follows tells whether a state continues what is committed here, or has a
// snapshot that does.
func (n *Node) follows(s *state) bool {
	for j := range n.logs {
		known := n.logs[j].commit
		if len(s.snapshot) > 0 {
			known = max(known, s.snapshot[0].at[j])
		}
		if s.from[j] > known+1 || s.from[j]+uint64(len(s.records[j])) <= known {
			return false
		}
	}
	return true
}

// take makes a state the node's, behind what is committed here. It returns false
// if that cannot be.
func (n *Node) take(s *state) bool {
	if !n.restoreNewer(s) {
		return false
	}
	if !n.reaches(s) {
		return false
	}
	for j := range n.logs {
		n.logs[j].truncate(max(n.logs[j].commit, s.from[j]-1))
		n.logs[j].settled = s.settled[j]
	}
	n.opened, n.pilots = s.epoch, s.pilots
	n.extend(s)
	return true
}

// restoreNewer restores a state's snapshot if that is newer than what was carried
// out here.
func (n *Node) restoreNewer(s *state) bool {
	if len(s.snapshot) == 0 || s.snapshot[0].at[0]+s.snapshot[0].at[1] <= n.executed[0]+n.executed[1] {
		return true
	}
	if n.restore(&s.snapshot[0]) != nil {
		return false
	}
	n.snapshot = s.snapshot[0]
	for j := range n.logs {
		n.logs[j].compact(n.snapshot.at[j], n.snapshot.before[j])
	}
	n.saveAll()
	return true
}

// reaches tells whether a state begins at the latest where the logs end.
func (n *Node) reaches(s *state) bool {
	return s.from[0] > 0 && s.from[1] > 0 && s.from[0] <= n.logs[0].last()+1 && s.from[1] <= n.logs[1].last()+1
}

// extend adds what a state of the same epoch has more of the logs.
func (n *Node) extend(s *state) {
	for j := range n.logs {
		l := &n.logs[j]
		if have := l.last() + 1 - s.from[j]; have < uint64(len(s.records[j])) {
			for _, r := range s.records[j][have:] {
				l.add(r)
			}
		}
	}
}

// learn takes over the most that any node of a majority has of the last epoch that
// was opened at one of them. In an epoch each log has one writer, so what nodes
// have of it are beginnings of the same log, and the longest holds all that is
// committed. What was committed in earlier epochs, that epoch began with.
func (n *Node) learn(replies []*prepareResp) bool {
	newest := slices.MaxFunc(replies, func(a, b *prepareResp) int { return cmp.Compare(a.state.epoch, b.state.epoch) })
	if newest.state.epoch > n.opened && !n.take(&newest.state) {
		return false
	}
	for _, r := range replies {
		if s := &r.state; s.epoch == n.opened && n.restoreNewer(s) && n.reaches(s) {
			n.extend(s)
		} else if s.epoch == n.opened {
			return false
		}
	}
	return true
}

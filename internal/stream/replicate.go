package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// peer is what a leader knows of a member, itself included.
type peer struct {
	id       quorum.NodeID
	folder   wal.FolderID
	match    wal.RoundNumber // it has the rounds up to here
	next     wal.RoundNumber // what to send next
	question uint64          // that it has answered
	heard    time.Duration   // when what it has answered last was sent
	cancel   context.CancelFunc

	probing  bool // where its log matches is not known
	fit      bool // as it said last
	inflight int  // requests without an answer
	bytes    uint64
	window   window
	asked    uint64
	sent     time.Duration // when the last request went out, and its question
	commit   wal.RoundNumber
	reading  bool        // its next rounds from the disk
	read     []wal.Round // from the disk
}

// probeBytesMax bounds the rounds that are sent to a member whose log may not match.
const probeBytesMax = 4 << 10

// follow starts and ends replicating tasks, so that there is one for each member.
func (g *Group) follow(m Members) {
	l := g.reign
	all := m.All()
	for _, id := range all {
		if l.peers[id] != nil {
			continue
		}
		ctx, cancel := quorum.WithCancel(l.ctx)
		now := g.rt.Elapsed()
		p := &peer{id: id, folder: m.Folders[id], next: g.log.last(), heard: now, sent: now - g.options.Heartbeat, probing: true, cancel: cancel, window: newWindow(&g.options)}
		l.peers[id] = p
		if id == g.id {
			quorum.Go(ctx, "stream own disk", func(ctx context.Context) error { return g.ownDisk(ctx, p) })
		} else {
			quorum.Go(ctx, "stream replicate", func(ctx context.Context) error { return g.replicate(ctx, p) })
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.peers)) {
		if !slices.Contains(all, id) {
			l.peers[id].cancel()
			delete(l.peers, id)
		}
	}
	n := len(m.Voters)
	g.commit.Behind(quorum.KindQuorum, n/2+1, n)
	l.confirmed.Behind(quorum.KindQuorum, n/2+1, n)
}

// ownDisk makes the leader itself a voter.
func (g *Group) ownDisk(ctx context.Context, p *peer) error {
	for {
		last, put := g.log.last(), g.disk.put.Value()
		if err := g.settled(ctx, true); err != nil {
			return err
		}
		p.match = last
		g.count()
		if err := g.disk.put.Wait(ctx, put+1); err != nil {
			return err
		}
	}
}

// replicate brings one member's log up to the leader's and keeps it there. Rounds go out
// as they come, while answers to earlier ones are still on their way.
func (g *Group) replicate(ctx context.Context, p *peer) error {
	for {
		seen, now := g.reign.work.Value(), g.rt.Elapsed()
		window := g.options.WindowRequestsMax
		if p.probing || g.rt.Rare("stream: one request at a time") {
			window = 1 // until an answer says where its log matches
		}
		if p.inflight < window && (p.inflight == 0 || p.bytes < p.window.bytes) && g.due(p, now) {
			g.exchange(ctx, p)
			continue
		}
		if now-p.sent >= g.options.Heartbeat {
			g.beat(ctx, p)
		}
		limit := g.options.Heartbeat
		if g.news(p) {
			limit = min(limit, g.options.Lag)
		}
		if err := quorum.WaitFor(ctx, g.reign.work.Reached(seen+1), limit-(now-p.sent)); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
}

// due tells whether there is something to say to a member: rounds, a question, that
// rounds are durable when nothing else will tell it, or that the leader is there.
func (g *Group) due(p *peer, now time.Duration) bool {
	rounds := p.next <= g.log.last() && p.next > g.log.base.Number && !p.reading
	return rounds || p.asked < g.reign.question.Load() || g.news(p) && now-p.sent >= g.options.Lag || now-p.sent >= g.options.Heartbeat
}

// news tells whether a member has rounds of which it does not know that they are durable, and no
// request is on its way.
func (g *Group) news(p *peer) bool {
	return p.inflight == 0 && p.commit < g.committed() && p.match == g.log.last()
}

// exchange sends a member what it lacks, and handles the answer in a task that is the
// only one to wait for it, and not for long.
func (g *Group) exchange(ctx context.Context, p *peer) {
	l := g.reign
	req := g.request(ctx, p)
	question, out := l.question.Load(), sent{at: g.rt.Elapsed()}
	for i := range req.rounds {
		out.bytes += sizeOf(&req.rounds[i])
	}
	p.sent, p.asked, p.commit = out.at, question, req.commit
	p.inflight++
	p.bytes += out.bytes
	out.underWay = p.bytes
	quorum.Go(ctx, "stream exchange", func(ctx context.Context) error {
		defer func() { p.inflight--; p.bytes -= out.bytes; l.kick() }()
		short, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout/2)
		defer cancel()
		resp, err := g.methods.append.Call(short, g.endpoint, p.id, req)
		switch {
		case err != nil:
			p.next, p.probing, p.read = p.match+1, true, nil
			p.window.lost(g.rt.Elapsed(), out)
			return quorum.Sleep(ctx, g.options.Heartbeat/2)
		case !g.observe(resp.epoch):
			return nil // an answer to an earlier epoch, or the end of this one
		}
		p.heard, p.question, p.fit = max(p.heard, out.at), max(p.question, question), resp.fit
		p.window.answered(g.rt.Elapsed(), out)
		g.confirm()
		if resp.ok {
			p.match = max(p.match, min(resp.next, req.end()+1)-1)
			p.next, p.probing = max(p.next, resp.next), false
			g.count()
		} else {
			p.match = min(p.match, max(resp.next, 1)-1) // it may have lost what it had
			p.next, p.probing, p.read = max(p.match+1, min(resp.next, g.log.last()+1)), true, nil
		}
		return nil
	})
}

// beat tells a member that cannot take more rounds now that the leader is there: its disk
// may be slow, which is no reason to elect another. It claims nothing that the member has
// not acknowledged, so it is answered at once.
func (g *Group) beat(ctx context.Context, p *peer) {
	l := g.reign
	req := &appendReq{epoch: g.epoch, folder: p.folder, commit: min(g.committed(), p.match), first: g.log.base.Number + 1}
	req.prev.number = max(p.match, g.log.base.Number)
	req.prev.epoch, _ = g.log.epoch(req.prev.number)
	question, sent := l.question.Load(), g.rt.Elapsed()
	p.sent, p.asked = sent, question
	quorum.Go(ctx, "stream beat", func(ctx context.Context) error {
		short, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout/2)
		defer cancel()
		if resp, err := g.methods.append.Call(short, g.endpoint, p.id, req); err == nil && g.observe(resp.epoch) {
			p.heard, p.question, p.fit = max(p.heard, sent), max(p.question, question), resp.fit
			g.confirm()
		}
		return nil // what it lacks is found out by who sends rounds
	})
}

// request makes the next request for a member: rounds that it lacks, as far as they are
// at hand.
func (g *Group) request(ctx context.Context, p *peer) *appendReq {
	req := &appendReq{epoch: g.epoch, folder: p.folder, commit: g.committed(), first: g.log.base.Number + 1}
	// Whoever lacks more than there is hears what there is.
	req.prev.number = max(min(p.next-1, g.log.last()), g.log.base.Number)
	req.prev.epoch, _ = g.log.epoch(req.prev.number)
	if req.prev.number != p.next-1 {
		p.probing = true
		return req
	}
	most := min(g.options.PieceBytesMax, int(p.window.bytes-min(p.bytes, p.window.bytes)))
	if p.probing {
		most = min(most, probeBytesMax)
	}
	if g.rt.Rare("stream: small piece") {
		most = 1
	}
	rounds, ok := g.log.from(p.next, most)
	if !ok {
		rounds = g.readAhead(ctx, p)
	}
	req.rounds = rounds
	p.next = req.end() + 1
	return req
}

// readAhead returns what was read from the disk for a member and has it read on.
func (g *Group) readAhead(ctx context.Context, p *peer) []wal.Round {
	rounds := p.read
	p.read = nil
	if len(rounds) > 0 && rounds[0].Number == p.next {
		return rounds
	}
	if !p.reading {
		p.reading = true
		from := p.next
		quorum.Go(ctx, "stream read ahead", func(ctx context.Context) error {
			defer func() { p.reading = false; g.reign.kick() }()
			var err error
			p.read, err = g.Rounds(ctx, from, g.options.PieceBytesMax)
			return err
		})
	}
	return nil
}

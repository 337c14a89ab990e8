package copilot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// pilot is what a node is while it writes one of the logs.
type pilot struct {
	n      *Node
	j      int // which log
	log    *log
	cancel context.CancelFunc
	peers  []*peer           // all members
	other  *peer             // the other pilot
	offers *quorum.Watermark // moves when there may be something to propose
	met    uint64            // the other log's last entry when it proposed last
}

// lead makes the node the pilot of a log.
func (n *Node) lead(j int) {
	ctx, cancel := quorum.WithCancel(n.ctx)
	now := n.rt.Elapsed()
	p := &pilot{n: n, j: j, log: &n.logs[j], cancel: cancel, met: n.logs[1-j].last(),
		offers: quorum.NewWatermark(ctx, "copilot offers", 0)}
	n.pilot, n.moved = p, now
	for _, id := range n.options.Members {
		x := &peer{id: id, executed: n.executed, work: quorum.NewWatermark(ctx, "copilot work", 0)}
		p.peers = append(p.peers, x)
		if id == n.pilots[1-j] {
			p.other = x
		}
		if id == n.id {
			quorum.Go(ctx, "copilot own disk", func(ctx context.Context) error { return p.ownDisk(ctx, x) })
		} else {
			quorum.Go(ctx, "copilot replicate", func(ctx context.Context) error { return p.replicate(ctx, x) })
		}
	}
	quorum.Go(ctx, "copilot propose", p.propose)
	quorum.Go(ctx, "copilot watch", p.watch)
	p.noted()
}

// retire ends being a pilot.
func (n *Node) retire() {
	if n.pilot != nil {
		n.pilot.cancel()
		n.pilot = nil
	}
}

// leads tells whether the pilot is one yet. An event that was there in time ends a
// wait even if the pilot was retired meanwhile.
func (p *pilot) leads() bool { return p.n.pilot == p }

// place notes that an entry's commands are in a log. What this pilot knows to be in
// the other's log need not be in its own too: an entry of its own would have to wait
// for the other one anyway.
func (n *Node) place(e *entry) {
	for i := range e.commands {
		c := &e.commands[i]
		if w := n.waiting[key{c.Client, c.Seq}]; w != nil {
			w.placed = n.opened
		}
	}
}

// noted looks what new entries in the logs are for this pilot. Those that the first
// pilot has yet to propose depend on all that it has of the other's.
func (p *pilot) noted() {
	if p.j == 0 {
		p.n.front = p.n.ends()
	}
	p.offer()
}

// offer makes the pilot look whether it can propose something.
func (p *pilot) offer() { p.offers.Advance(p.offers.Value() + 1) }

// propose makes entries of the commands that come. The pilots take turns
// (ping-pong, §4.4): then each one's entry comes behind the other's last one, and a
// command that comes late in one's turn is in the other's. Who waits too long for its
// turn goes on without.
func (p *pilot) propose(ctx context.Context) error {
	var since time.Duration // when the pilot began to wait for its turn
	for p.leads() {
		seen, now := p.offers.Value(), p.n.rt.Elapsed()
		batch := p.n.batch()
		var err error
		switch {
		case len(batch) == 0 || p.log.last()-p.n.executed[p.j] >= uint64(p.n.options.EntriesMax):
			err = p.offers.Wait(ctx, seen+1)
			since = p.n.rt.Elapsed()
		case !p.turn() && now-since < p.n.options.PingPong:
			err = quorum.WaitFor(ctx, p.offers.Reached(seen+1), p.n.options.PingPong-(now-since))
		default:
			p.enter(batch)
			since = now
		}
		if err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
	return nil
}

// turn tells whether it is this pilot's turn: the other one has proposed since it
// did, or nothing is under way, which is log 0's turn.
func (p *pilot) turn() bool {
	return p.n.logs[1-p.j].last() > p.met || p.j == 0 && p.n.executed == p.n.ends() || p.n.rt.Rare("copilot: out of turn")
}

// batch returns commands that are in neither log, as many as fit in an entry. What
// waited in the last epoch is among them, if the logs of this one began without it.
func (n *Node) batch() []Command {
	n.queue = slices.DeleteFunc(n.queue, func(w *waiter) bool { return w.result.Decided() })
	var batch []Command
	bytes := 0
	for _, w := range n.queue {
		if w.placed == n.opened {
			continue
		}
		if bytes += w.command.bytes(); len(batch) > 0 && bytes > n.options.BatchBytesMax {
			break
		}
		batch = append(batch, w.command)
	}
	return batch
}

// enter proposes an entry. One of log 0 depends on all that there is of log 1.
func (p *pilot) enter(batch []Command) {
	e := entry{commands: batch}
	p.met = p.n.logs[1-p.j].last()
	if p.j == 0 {
		e.dep = p.met
	}
	s := p.n.nothing()
	s.from[p.j], s.entries[p.j] = p.log.last()+1, []entry{e}
	p.n.take(s)
	p.kick()
}

// decide commits what a majority of disks has.
func (p *pilot) decide() {
	matches := make([]uint64, 0, 8)
	for _, x := range p.peers {
		matches = append(matches, x.match)
	}
	slices.Sort(matches)
	if c := matches[len(matches)-p.n.majority()]; c > p.log.commit {
		p.n.committed(p.j, c)
	}
}

// watch looks after the other pilot, and has it replaced if something is wrong. Its
// patience comes back as soon as it shows that less would do.
func (p *pilot) watch(ctx context.Context) error {
	n := p.n
	since, most := n.rt.Elapsed(), time.Duration(0) // the most patience that it has taken since then
	for {
		if err := quorum.Sleep(ctx, n.options.TakeoverTimeout/2); err != nil || !p.leads() {
			return err
		}
		now := n.rt.Elapsed()
		takes, why := p.takes(now)
		most = max(most, takes)
		switch {
		case takes > n.patience:
			n.options.Logf("epoch %x: n%d %s", n.opened, p.other.id, why)
			// It never takes longer to see that a pilot does not get on than that it is silent.
			n.patience = max(n.options.TakeoverTimeout, min(2*n.patience, n.options.ElectionTimeout/slowFactor))
			n.election.Reset(0)
		case now-since <= slowFactor*n.patience:
			continue
		case n.rt.Rare("copilot: takeover"):
			n.election.Reset(0)
		case most <= n.patience/2:
			n.patience = max(n.patience/2, n.options.TakeoverTimeout)
		}
		since, most = now, 0
	}
}

// slowFactor is how many times slower than the quickest of the rest a pilot is
// when it is slow.
const slowFactor = 4

// takes returns how much patience with the other pilot it takes to leave it alone, and
// what may be wrong with it.
func (p *pilot) takes(now time.Duration) (patience time.Duration, why string) {
	n := p.n
	if n.executed != n.ends() {
		patience, why = (now-n.moved)/slowFactor, "does not get on"
	}
	best := time.Duration(0)
	for _, x := range p.peers {
		if l := x.lateness(now); x.id != n.id && x != p.other && x.latency > 0 && (best == 0 || l < best) {
			best = l
		}
	}
	if l := p.other.lateness(now); l > patience && best > 0 && l > slowFactor*best {
		patience, why = l, "is slow"
	}
	return patience, why
}

// lateness is how late a peer's answers are.
func (x *peer) lateness(now time.Duration) time.Duration {
	if x.inflight == 0 {
		return x.latency
	}
	return max(x.latency, now-x.silent)
}

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
	epoch  uint64
	cancel context.CancelFunc
	peers  []*peer           // all members
	other  *peer             // the other pilot
	work   *quorum.Watermark // moves when there is something to send

	// saved: the own disk has that the epoch was opened. Before that it proposes
	// nothing: it could forget that it was a pilot, be told of the epoch again, and
	// give the same places to other entries.
	saved  bool
	queue  []*waiter         // commands to be proposed
	offers *quorum.Watermark // moves when there may be something to propose
	met    uint64            // the other log's last entry when it proposed last

	ruling uint64        // the last ruling: the entries before it are decided
	held   bool          // a ruling is due: no more entries before it
	since  time.Duration // when the first entry that is not committed became the first
}

// peer is what a pilot knows of a member, itself included.
type peer struct {
	id     quorum.NodeID
	opened bool // it takes part in the epoch
	fresh  bool
	match  uint64            // records up to here are on its disk
	next   uint64            // what to send next
	told   uint64            // up to where it has been told of commits
	commit pair              // of both logs
	known  bool              // commit is
	votes  map[uint64]uint64 // by entry, from the first that is not committed on

	probing  bool          // what it has is not known
	inflight int           // requests without an answer
	sent     time.Duration // when the last request went out
	heard    time.Duration // when what it has answered last was sent
	silent   time.Duration // since when it owes an answer
	latency  time.Duration // of its answers, smoothed; 0 before the first
}

// windowMax bounds the requests to one node that wait for an answer.
const windowMax = 8

// lead makes the node the pilot of a log.
func (n *Node) lead(j int) {
	ctx, cancel := quorum.WithCancel(n.ctx)
	l := &n.logs[j]
	now := n.rt.Elapsed()
	p := &pilot{n: n, j: j, log: l, epoch: n.opened, cancel: cancel, since: now,
		work: quorum.NewWatermark(ctx, "copilot work", 0), offers: quorum.NewWatermark(ctx, "copilot offers", 0),
		met: n.logs[1-j].entry(n.logs[1-j].last())}
	n.pilot, n.moved = p, now
	for _, id := range n.options.Members {
		x := &peer{id: id, next: l.last() + 1, sent: now - n.options.Heartbeat, heard: now, probing: true, votes: map[uint64]uint64{}}
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
	// What waited in the last epoch is proposed again, if no log has it now.
	for _, k := range n.waitingKeys() {
		n.waiting[k].placed = false
		p.enqueue(n.waiting[k])
	}
	for j := range n.logs {
		for i := n.executed[j] + 1; i <= n.logs[j].last(); i++ {
			n.place(n.logs[j].at(i))
		}
	}
}

// retire ends being a pilot.
func (n *Node) retire() {
	if n.pilot != nil {
		n.pilot.cancel()
		n.pilot = nil
	}
}

// place notes that commands are in a log. What this pilot knows to be in the
// other's log need not be in its own too: an entry of its own would have to wait
// for the other one anyway.
func (n *Node) place(r *record) {
	for i := range r.commands {
		c := &r.commands[i]
		if w := n.waiting[key{c.Client, c.Seq}]; w != nil {
			w.placed = true
		}
	}
}

// append adds a record to a log, in memory and sooner or later on the disk.
func (n *Node) append(j int, r record) {
	if n.executed == n.ends() {
		n.moved = n.rt.Elapsed()
	}
	n.logs[j].add(r)
	n.journal.Append(&stored{kind: storedRecord, log: uint64(j), record: r})
	n.place(&r)
}

func (p *pilot) enqueue(w *waiter) {
	p.queue = append(p.queue, w)
	p.offer()
}

// offer makes the pilot look whether it can propose something.
func (p *pilot) offer() { p.offers.Advance(p.offers.Value() + 1) }

// kick makes the replicating tasks look what there is to send.
func (p *pilot) kick() { p.work.Advance(p.work.Value() + 1) }

// propose makes entries of the commands that come. The pilots take turns
// (ping-pong, §4.4): then each one's entry depends on the other's last one, and
// all are committed the fast way. Who waits too long for its turn goes on without.
func (p *pilot) propose(ctx context.Context) error {
	var since time.Duration // when the pilot began to wait for its turn
	for {
		seen, now := p.offers.Value(), p.n.rt.Elapsed()
		p.queue = slices.DeleteFunc(p.queue, func(w *waiter) bool { return w.placed || w.result.Decided() })
		var err error
		switch {
		case len(p.queue) == 0 || !p.saved || p.held || p.log.last()-p.n.executed[p.j] >= uint64(p.n.options.EntriesMax):
			err = p.offers.Wait(ctx, seen+1)
			since = p.n.rt.Elapsed()
		case !p.turn() && now-since < p.n.options.PingPong:
			err = quorum.WaitFor(ctx, p.offers.Reached(seen+1), p.n.options.PingPong-(now-since))
		default:
			p.enter(p.batch())
			since = now
		}
		if err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
}

// turn tells whether it is this pilot's turn: the other one has proposed since it
// did, or nothing is under way, which is log 0's turn.
func (p *pilot) turn() bool {
	o := &p.n.logs[1-p.j]
	return o.entry(o.last()) > p.met || p.j == 0 && p.n.executed == p.n.ends() || p.n.rt.Rare("copilot: out of turn")
}

// batch takes commands from the queue, as many as fit.
func (p *pilot) batch() []Command {
	most := p.n.options.BatchCommandsMax
	if p.n.rt.Rare("copilot: small batch") {
		most = 1
	}
	var batch []Command
	bytes := 0
	for _, w := range p.queue {
		if bytes += len(w.command.Data) + commandBytes; len(batch) > 0 && (len(batch) >= most || bytes > p.n.options.BatchBytesMax) {
			break
		}
		batch = append(batch, w.command)
	}
	p.queue = slices.Delete(p.queue, 0, len(batch))
	return batch
}

// enter proposes an entry. It depends on all that the other pilot has proposed.
func (p *pilot) enter(batch []Command) {
	o := &p.n.logs[1-p.j]
	p.met = o.entry(o.last())
	p.record(record{dep: o.last(), commands: batch})
}

// record adds a record to the own log and has it replicated.
func (p *pilot) record(r record) {
	if p.log.commit == p.log.last() {
		p.since = p.n.rt.Elapsed()
	}
	p.n.append(p.j, r)
	p.kick()
}

// decide commits what can be committed, in order.
func (p *pilot) decide() {
	before := p.log.commit
	for {
		next := p.log.commit + 1
		var end uint64
		switch {
		case next <= p.log.settled:
			end = p.log.settled
		case next <= p.ruling:
			end = p.ruling
		case next <= p.log.last() && p.fast(next):
			end = next
		}
		if end == 0 || !p.durable(end) {
			break
		}
		p.n.committed(p.j, end)
		for _, x := range p.peers {
			for i := next; i <= end; i++ {
				delete(x.votes, i)
			}
		}
	}
	if p.log.commit > before {
		p.since = p.n.rt.Elapsed()
		p.kick()
	}
	p.rule()
}

// durable tells whether a majority of disks has the log up to a record.
func (p *pilot) durable(i uint64) bool {
	have := 0
	for _, x := range p.peers {
		if x.match >= i {
			have++
		}
	}
	return have >= p.n.majority()
}

// fast tells whether an entry has the vote of the other pilot for the dependency
// that it was proposed with: no entry of the other log crosses it, nor ever will.
func (p *pilot) fast(i uint64) bool {
	v, ok := p.other.votes[i]
	return ok && p.other.fresh && v == p.log.at(i).dep
}

// rule makes the entries that are not committed have the dependency that a
// majority votes for, when the first of them cannot be committed the fast way, or
// not soon. It does so for all of them at once; until they have their votes there
// are no new ones.
func (p *pilot) rule() {
	next := p.log.commit + 1
	if next <= p.log.settled || next <= p.ruling || next > p.log.last() {
		p.unhold()
		return
	}
	if _, voted := p.other.votes[next]; p.fast(next) || !voted && p.n.rt.Elapsed()-p.since < p.n.options.TakeoverTimeout {
		p.unhold()
		return
	}
	p.held = true
	var dep uint64
	for i := next; i <= p.log.last(); i++ {
		d, ok := p.voted(i)
		if !ok {
			return
		}
		dep = max(dep, d)
	}
	p.record(record{dep: dep, from: next})
	p.ruling = p.log.last()
	p.unhold()
}

func (p *pilot) unhold() {
	if p.held {
		p.held = false
		p.offer()
	}
}

// voted returns the least dependency that a majority of the votes for an entry
// allows.
func (p *pilot) voted(i uint64) (dep uint64, ok bool) {
	var votes []uint64
	for _, x := range p.peers {
		if v, ok := x.votes[i]; ok {
			votes = append(votes, v)
		}
	}
	if len(votes) < p.n.majority() {
		return 0, false
	}
	slices.Sort(votes)
	return votes[p.n.majority()-1], true
}

// watch looks after the other pilot, and gives up if the node is cut off.
func (p *pilot) watch(ctx context.Context) error {
	n := p.n
	quiet := n.rt.Elapsed() // since when there was no takeover
	for {
		if err := quorum.Sleep(ctx, n.options.TakeoverTimeout/2); err != nil {
			return err
		}
		p.decide()
		now := n.rt.Elapsed()
		answering := 1
		for _, x := range p.peers {
			if x.id != n.id && now-x.heard < n.options.ElectionTimeout {
				answering++
			}
		}
		if answering < n.majority() {
			n.options.Logf("epoch %x: no majority answers", p.epoch)
			n.retire()
			n.failWaiting()
			return nil
		}
		if now-quiet > n.options.ElectionTimeout {
			n.patience, quiet = max(n.patience/2, n.options.TakeoverTimeout), now
			if n.rt.Rare("copilot: takeover") {
				n.election.Reset(0)
			}
		}
		if why := p.wrong(now); why != "" {
			n.options.Logf("epoch %x: n%d %s", p.epoch, p.other.id, why)
			n.patience = min(2*n.patience, n.options.ElectionTimeout)
			n.election.Reset(0)
			quiet = now
		}
	}
}

// slowFactor is how many times slower than the quickest of the rest a pilot is
// when it is slow.
const slowFactor = 4

// wrong returns what is wrong with the other pilot, or nothing.
func (p *pilot) wrong(now time.Duration) string {
	n := p.n
	switch {
	case p.other.opened && !p.other.fresh:
		return "has started again"
	case n.executed != n.ends() && now-n.moved > slowFactor*n.patience:
		return "does not get on"
	}
	best := time.Duration(0)
	for _, x := range p.peers {
		if l := x.lateness(now); x.id != n.id && x != p.other && x.latency > 0 && (best == 0 || l < best) {
			best = l
		}
	}
	if l := p.other.lateness(now); l > n.patience && best > 0 && l > slowFactor*best {
		return "is slow"
	}
	return ""
}

// lateness is how late a peer's answers are.
func (x *peer) lateness(now time.Duration) time.Duration {
	if x.inflight == 0 {
		return x.latency
	}
	return max(x.latency, now-x.silent)
}

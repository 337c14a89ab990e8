package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Leadership is the time for which a member leads an epoch.
type Leadership struct {
	Epoch   wal.Epoch
	Barrier wal.RoundNumber // the first round of the epoch; those before it are adopted
	// Opened is won when the barrier is durable. The final watermarks of all earlier
	// epochs are fixed then; before, nothing may be announced or released.
	Opened *quorum.Value[struct{}]
	// Ended is won when the member does not lead, or want to, any more.
	Ended *quorum.Value[struct{}]

	peers        map[quorum.NodeID]*peer
	ctx          context.Context   // that ends when it does
	work         *quorum.Watermark // moves when there is something to send
	question     atomic.Uint64     // the last one of who still follows
	confirmed    *quorum.Watermark // the question that a majority has answered
	transferring bool
}

func newLeadership(ctx context.Context, epoch wal.Epoch) *Leadership {
	return &Leadership{Epoch: epoch, ctx: ctx, peers: map[quorum.NodeID]*peer{},
		Opened: quorum.NewValue[struct{}](ctx, "stream opened"), Ended: quorum.NewValue[struct{}](ctx, "stream ended"),
		work: quorum.NewWatermark(ctx, "stream work", 0), confirmed: quorum.NewWatermark(ctx, "stream confirmed", 0)}
}

// Elected waits until the member leads and returns for how long. Who has not asked for a
// while gets the newest.
func (g *Group) Elected(ctx context.Context) (*Leadership, error) { return g.elected.Get(ctx) }

// rule leads with the votes of a quorum until the member is deposed.
func (g *Group) rule(ctx context.Context, reports []report) error {
	ctx, cancel := quorum.WithCancel(ctx)
	defer cancel()
	epoch := g.epoch
	if err := g.adopt(ctx, reports); err != nil || g.epoch != epoch || g.role != Candidate || !g.elects(reports) {
		g.options.Logf("epoch %d: not won: %v", epoch, err)
		return nil
	}
	g.reign = newLeadership(ctx, epoch)
	g.role, g.leader, g.failures, g.otherFolder = Leader, g.id, 0, false
	g.reign.Barrier = g.add(wal.Round{Kind: wal.RoundOpen})
	g.options.Logf("epoch %d: leads, barrier %d", epoch, g.reign.Barrier)
	if m := g.members().clone(); !m.known() {
		// The first leader says which folders count, before all data.
		m.Folders = map[quorum.NodeID]wal.FolderID{}
		for i := range reports {
			m.Folders[reports[i].from] = reports[i].folder
		}
		g.addMembers(m)
	}
	g.follow(g.members())
	g.elected.TryGet() // an older one is over
	if err := g.elected.TryPut(g.reign); err != nil {
		return err
	}
	for {
		err := quorum.WaitFor(ctx, g.reign.Ended, g.options.ElectionTimeout)
		if !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
		// A leader that a majority does not hear of is none.
		heard, voters := 0, g.members().Voters
		for _, id := range voters {
			if id == g.id || g.present(g.reign.peers[id]) {
				heard++
			}
		}
		if heard <= len(voters)/2 || g.rt.Rare("stream: leader steps down") {
			g.stepDown(g.epoch, 0)
			continue
		}
		g.prefer(ctx)
		g.yield(ctx)
	}
}

// elects tells whether who has voted is a quorum of the members according to the log
// that was adopted. The candidate may have asked the members of long ago: a majority of
// those need not have anybody in common with one of today; or a member's other folder,
// which has promised nothing.
func (g *Group) elects(reports []report) bool {
	m, votes := g.members(), 0
	for i := range reports {
		if r := &reports[i]; slices.Contains(m.Voters, r.from) && counts(m.Folders[r.from], r.folder) {
			votes++
		}
	}
	return votes >= m.quorum() && g.votes()
}

// Append puts the leader's next round behind the others, one of data or a part of such:
// its kind, watermark, largest timestamp and payload, which is not changed any more, are
// the caller's. It fails
// with quorum.ErrOverloaded when too much is not durable: nothing was done then.
func (g *Group) Append(r wal.Round) (wal.RoundNumber, error) {
	if g.role != Leader {
		return 0, ErrNotLeader
	}
	backlog := max(g.log.backlog(g.committed()), g.disk.bytes)
	if g.reign.transferring || backlog > 0 && backlog+sizeOf(&r) > g.options.BacklogBytesMax {
		return 0, quorum.ErrOverloaded
	}
	if r.Watermark < g.log.lastWatermark() {
		panic("stream: a watermark goes back") // Invariant I5
	}
	return g.add(r), nil
}

// add appends a round to the leader's log.
func (g *Group) add(r wal.Round) wal.RoundNumber {
	r.Number, r.Epoch = g.log.last()+1, g.epoch
	g.log.append(r)
	g.disk.append(r)
	g.reign.kick()
	return r.Number
}

// kick makes the replicating tasks look what there is to send.
func (l *Leadership) kick() { l.work.Advance(l.work.Value() + 1) }

// Question is the number of the next question that Ask asks. Any goroutine may call it.
func (l *Leadership) Question() uint64 { return l.question.Load() + 1 }

// Confirmed is the last question that a majority has answered: when that was asked, nobody else
// led.
func (l *Leadership) Confirmed() *quorum.Watermark { return l.confirmed }

// Ask asks the members whether this one leads still, and returns the number of the question.
func (g *Group) Ask(l *Leadership) uint64 {
	question := l.question.Add(1)
	l.kick()
	g.confirm()
	return question
}

// Confirm waits until a majority has said, after the call, that this member leads, and
// what was durable by then is known: all that was released before the call, by any
// member, is at or below Commit.
func (g *Group) Confirm(ctx context.Context) error {
	if g.role != Leader {
		return ErrNotLeader
	}
	l := g.reign
	if err := l.untilEnded(ctx, l.Opened); err != nil {
		return err
	}
	return l.untilEnded(ctx, l.confirmed.Reached(g.Ask(l)))
}

// untilEnded waits for an event, and gives up when the member does not lead any more.
func (l *Leadership) untilEnded(ctx context.Context, e quorum.Event) error {
	which, err := quorum.Select(ctx, l.Ended, e)
	if err == nil && which == 0 {
		err = ErrNotLeader
	}
	return err
}

// kth returns the highest value that a majority of the voters has reached.
func (g *Group) kth(value func(*peer) uint64) uint64 {
	all := make([]uint64, 0, 8)
	for _, id := range g.members().Voters {
		all = append(all, value(g.reign.peers[id]))
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// count moves commit to what a majority has, if it ends with a round of this epoch.
func (g *Group) count() {
	if g.role != Leader {
		return
	}
	number := wal.RoundNumber(g.kth(func(p *peer) uint64 { return uint64(p.match) }))
	if number >= g.reign.Barrier {
		g.advance(number)
		g.reign.Opened.Set(struct{}{})
	}
	if g.leaves() {
		g.stepDown(g.epoch, 0)
	}
}

// confirm notes which question a majority has answered.
func (g *Group) confirm() {
	if g.role == Leader {
		g.reign.confirmed.Advance(g.kth(func(p *peer) uint64 {
			if p.id == g.id {
				return g.reign.question.Load()
			}
			return p.question
		}))
	}
}

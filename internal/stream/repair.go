package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// A member whose log is damaged has the damaged rounds from others. Who has the same round
// behind them (its anchor: number and epoch) has the same rounds before it, be they durable
// or not. So nothing has to be decided about them, no leader is needed, and members
// that are damaged in different places help each other.
//
// What is damaged when the member starts is repaired before it takes part: until then it
// neither votes nor acknowledges anything. So a group of which a majority has a round that
// nobody can read elects no leader, and Status.Damaged says which it is; nobody guesses
// what was in it. What turns out to be damaged later, because it is read, is
// repaired then; the member still knows where its log ends, and whoever
// adopts that log has to get the round from somebody first. If the others have discarded it, they
// have a checkpoint of it, and the member needs that (ErrGone).
//
// If the log can not be read to its end, it is not known what the member has
// acknowledged. Then only a leader helps, one of an epoch that is not before what the member
// has promised, whom a majority confirms. As this member does not vote, that is a majority
// that still has all that it holds, and each majority that has made a round durable has one
// of them in common: the leader's log has all that is durable, though this member may have
// acknowledged it. So it gives up its own log for the leader's. That it has done so is in
// its ballot (wal.Ballot.Lost) before the log goes, and stays there until the member has all
// that the leader's log had when it was confirmed (recover.go): a short log that is whole must
// not vote as if nothing had been behind it. The same is done if the leader does not have
// the anchor: then what is behind the damaged rounds is not durable, or the leader
// has nothing before it any more.

// ErrDamaged: a part of a member's log can not be read. Every DamagedError matches it.
var ErrDamaged = errors.New("stream: a part of the log is damaged")

// DamagedError says which part of a member's log can not be read, and why it has not been
// repaired yet.
type DamagedError struct {
	Node     quorum.NodeID
	From, To wal.RoundNumber // To is 0 if it is not known how many there were
	// After and Before are timestamps between which what was in these rounds was executed;
	// Before is hlc.Max if that is not known.
	After, Before hlc.Timestamp
	Err           error // a dberr.CorruptionError, with file and offset
	Others        error // why the others do not give these rounds
}

func (e *DamagedError) Error() string {
	rounds, until := fmt.Sprintf("rounds %d to %d", e.From, e.To), e.Before.Time().UTC().String()
	if e.To == 0 {
		rounds = fmt.Sprintf("round %d and all that may follow", e.From)
	}
	if e.Before == hlc.Max {
		until = "the end"
	}
	return fmt.Sprintf("stream: n%d: %s of the log, executed from %v to %s, can not be read: %v; other members: %v",
		e.Node, rounds, e.After.Time().UTC(), until, e.Err, e.Others)
}

// Unwrap returns the reasons.
func (e *DamagedError) Unwrap() []error { return []error{ErrDamaged, e.Err} }

var (
	errNoAnchor  = errors.New("it has another log")
	errDiscarded = errors.New("it has a checkpoint of what was before, and the rounds no more")
)

// hole is rounds that can not be read, and what is known about them.
type hole struct {
	from, to wal.RoundNumber
	prev     position // of the round before
	anchor   position // of the last of them, or the one behind
	opens    bool     // the anchor is the first round of its epoch, and behind them
}

// repairReq asks for the rounds of a hole.
type repairReq struct {
	from, to wal.RoundNumber
	anchor   position
}

func (m *repairReq) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.from))
	c.Uint((*uint64)(&m.to))
	m.anchor.fields(c)
}

// handleRepair gives rounds of the own log to a member with the same log, damaged or not.
func (g *Group) handleRepair(ctx context.Context, _ quorum.NodeID, req *repairReq) (*fetchResp, error) {
	epoch, ok := g.epochAt(req.anchor.number)
	resp := &fetchResp{appendResp: appendResp{epoch: g.epoch, next: g.log.base.Number + 1}}
	if g.found != nil {
		resp.next = g.found.Base.Number + 1
	}
	if !ok || epoch != req.anchor.epoch || req.from == 0 || req.from > req.to || req.to > req.anchor.number {
		return resp, nil
	}
	prev := position{number: req.from - 1}
	if prev.epoch, ok = g.epochAt(prev.number); !ok {
		return resp, nil
	}
	rounds, ok := g.log.from(req.from, g.options.PieceBytesMax)
	if g.found != nil || !ok {
		var err error
		if rounds, err = g.disk.read(ctx, req.from, g.options.PieceBytesMax); err != nil {
			return nil, err
		}
		if g.found == nil {
			rounds = g.log.sound(req.from, rounds)
		}
	}
	resp.rounds = rounds[:min(len(rounds), int(req.to-req.from+1))]
	resp.ok, resp.prev = true, prev
	return resp, nil
}

// epochAt returns the epoch of a round, also while the log is not loaded.
func (g *Group) epochAt(n wal.RoundNumber) (wal.Epoch, bool) {
	if g.found == nil {
		return g.log.epoch(n)
	}
	base := g.found.Base
	if n <= base.Number || n > base.Number+wal.RoundNumber(len(g.found.Rounds)) {
		return base.Epoch, n == base.Number
	}
	e := g.found.Rounds[n-base.Number-1].Epoch
	return e, e > 0
}

// fill gets the first rounds of a hole from one other member.
func (g *Group) fill(ctx context.Context, from quorum.NodeID, h *hole) ([]wal.Round, error) {
	ctx, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	resp, err := g.methods.repair.Call(ctx, g.endpoint, from, &repairReq{h.from, h.to, h.anchor})
	if err != nil {
		return nil, err
	}
	if !resp.ok && resp.next > h.to {
		return nil, errDiscarded
	}
	if !resp.ok {
		return nil, errNoAnchor
	}
	n := len(resp.rounds)
	if resp.prev != h.prev || n == 0 || resp.end() > h.to || !resp.sound(h.anchor.epoch) {
		return nil, quorum.ErrBadMessage
	}
	// The last one has to fit to what is behind.
	if last := resp.rounds[n-1].Epoch; resp.end() == h.to && (last < h.anchor.epoch) != h.opens {
		return nil, quorum.ErrBadMessage
	}
	return resp.rounds, nil
}

// ask asks one member after the other for the first rounds of a hole.
func (g *Group) ask(ctx context.Context, h *hole) (rounds []wal.Round, refused bool, err error) {
	others := g.others()
	if len(others) == 0 {
		return nil, false, errors.New("none is known")
	}
	for _, id := range others {
		rounds, e := g.fill(ctx, id, h)
		if e == nil {
			return rounds, false, nil
		}
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		refused = refused || id == g.claimant.id && (errors.Is(e, errNoAnchor) || errors.Is(e, errDiscarded))
		err = errors.Join(err, fmt.Errorf("n%d: %w", id, e))
	}
	return nil, refused, err
}

// others are those whom to ask: all who are members as far as is known, and who says to lead.
func (g *Group) others() []quorum.NodeID {
	all := []quorum.NodeID{g.leader, g.claimant.id}
	for _, m := range g.log.members {
		all = append(all, m.All()...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(id quorum.NodeID) bool { return id == 0 || id == g.id })
}

// mend repairs what is damaged on the tape, and loads the log.
func (g *Group) mend(ctx context.Context, t Tape, b BallotFile) error {
	for g.found != nil {
		refused, err := g.patch(ctx, t)
		if err != nil {
			return err
		}
		if g.damaged == nil {
			if err := g.load(ctx, t); err != nil {
				return err
			}
			continue
		}
		if m := g.members(); len(m.Voters) == 1 && m.Voters[0] == g.id {
			return g.damaged // nobody else can have it
		}
		if g.found.Lost != nil || refused {
			if err := g.beginAnew(ctx, t, b); err != nil {
				return err
			}
		}
		if err := quorum.Sleep(ctx, g.options.Heartbeat); err != nil {
			return err
		}
	}
	return nil
}

// patch gets what it can of the rounds that are damaged, and tells in g.damaged what is left.
// refused: the leader has another log.
func (g *Group) patch(ctx context.Context, t Tape) (refused bool, err error) {
	var left error
	for n := g.found.Base.Number + 1; g.found.Lost == nil; {
		h := g.nextHole(n)
		if h == nil {
			break
		}
		rounds, no, missing := g.ask(ctx, h)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if missing != nil {
			left, refused, n = errors.Join(left, g.damage(h, missing)), refused || no, h.to+1
			continue
		}
		if err := retried(ctx, "stream repair", func() error { return errors.Join(t.Repair(rounds), t.Sync()) }); err != nil {
			return false, err
		}
		for i := range rounds {
			r := &rounds[i]
			g.found.Rounds[r.Number-g.found.Base.Number-1] = wal.RoundInfo{Number: r.Number, Epoch: r.Epoch, Kind: r.Kind,
				Watermark: r.Watermark, Last: r.Last, Bytes: int64(len(r.Payload))}
		}
		g.options.Logf("rounds %d to %d are repaired", rounds[0].Number, rounds[len(rounds)-1].Number)
	}
	if lost := g.found.Lost; lost != nil {
		end := g.found.Base.Number + wal.RoundNumber(len(g.found.Rounds))
		left = g.damage(&hole{from: end + 1}, errors.New("none is known to lead with a majority"))
	}
	if left != nil && g.damaged == nil {
		g.options.Logf("%v", left)
	}
	g.damaged = left
	return refused, nil
}

// nextHole returns the first hole from round n on, nil if there is none.
func (g *Group) nextHole(n wal.RoundNumber) *hole {
	base, rounds := g.found.Base.Number, g.found.Rounds
	i := slices.IndexFunc(rounds[n-base-1:], func(r wal.RoundInfo) bool { return r.Damage != nil })
	if i < 0 {
		return nil
	}
	i += int(n - base - 1)
	end := i
	for end+1 < len(rounds) && rounds[end+1].Damage != nil && rounds[end].Epoch == 0 {
		end++
	}
	h := &hole{from: rounds[i].Number, to: rounds[end].Number, prev: position{number: rounds[i].Number - 1}}
	h.prev.epoch, _ = g.epochAt(h.prev.number)
	h.anchor = position{rounds[end].Epoch, h.to}
	if h.anchor.epoch == 0 && end+1 < len(rounds) {
		behind := &rounds[end+1]
		h.anchor, h.opens = position{behind.Epoch, behind.Number}, behind.Kind == wal.RoundOpen
	}
	return h
}

// damage describes a hole of a log that is not loaded.
func (g *Group) damage(h *hole, others error) *DamagedError {
	d := &DamagedError{Node: g.id, From: h.from, To: h.to, After: g.found.Base.Watermark, Before: hlc.Max, Err: g.found.Lost, Others: others}
	for i := range g.found.Rounds {
		switch r := &g.found.Rounds[i]; {
		case r.Number < h.from:
			d.After = max(d.After, r.Watermark)
		case r.Number == h.from:
			d.Err = r.Damage
		case h.to > 0 && r.Number > h.to && d.Before == hlc.Max && r.Damage == nil && r.Watermark > 0:
			d.Before = r.Watermark
		}
	}
	return d
}

// beginAnew gives up the own log for that of a leader, if there is one.
func (g *Group) beginAnew(ctx context.Context, t Tape, b BallotFile) error {
	leader := g.claimant
	if leader.id == 0 || leader.epoch < g.epoch {
		return nil
	}
	short, cancel := quorum.WithTimeout(ctx, g.options.ElectionTimeout)
	defer cancel()
	resp, err := g.methods.end.Call(short, g.endpoint, leader.id, &campaignReq{leader.epoch})
	if err != nil || !resp.ok || resp.epoch != leader.epoch {
		return ctx.Err()
	}
	base := g.found.Base
	if d := g.options.Durable; d.Number >= base.Number {
		base = d
	}
	g.lostRounds, g.recovering = true, true
	ballot := g.ballot()
	release, err := g.disk.seize(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = retried(ctx, "stream begin anew", func() error {
		if err := b.Put(ballot); err != nil {
			return err
		}
		return t.Reset(base)
	})
	if err == nil {
		g.options.Logf("begins anew behind round %d, as n%d leads in epoch %d", base.Number, leader.id, leader.epoch)
		g.found = &wal.TapeContents{Base: base, Last: base.Last}
		g.log = newLog(base, g.log.membershipAt(base.Number).Members)
		g.advance(base.Number)
	}
	return err
}

// heal has a round of the loaded log that can not be read from others. Who needs the round
// reads it again then. ErrGone: the others have it no more.
func (g *Group) heal(ctx context.Context, n wal.RoundNumber, damage *wal.DamagedError) error {
	epoch, ok := g.log.epoch(n)
	prev := position{number: n - 1}
	if prev.epoch, _ = g.log.epoch(n - 1); !ok || g.healing {
		return quorum.Sleep(ctx, g.options.Heartbeat)
	}
	g.healing = true
	defer func() { g.healing = false }()
	rounds, _, err := g.ask(ctx, &hole{from: n, to: n, prev: prev, anchor: position{epoch, n}})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		left := &DamagedError{Node: g.id, From: n, To: n, After: g.log.base.Watermark, Before: g.log.lastWatermark(), Err: damage.Err, Others: err}
		if g.damaged == nil {
			g.options.Logf("%v", left)
		}
		g.damaged = left
		if e := quorum.Sleep(ctx, g.options.Heartbeat); e != nil || !errors.Is(err, errDiscarded) {
			return e
		}
		return ErrGone
	}
	g.disk.repair(rounds)
	g.damaged = nil
	g.options.Logf("round %d is repaired", n)
	return g.disk.sync(ctx)
}

// claimant is who has said to lead an epoch.
type claimant struct {
	id    quorum.NodeID
	epoch wal.Epoch
}

// behindDamage leaves out what is before a checkpoint, which has it, if some of that is
// damaged. A log that begins behind the checkpoint has lost its beginning.
func behindDamage(c *wal.TapeContents, durable wal.Base) *wal.TapeContents {
	if c.Base.Number > durable.Number {
		lost := dberr.Corrupt("the log", 0, "it begins behind round %d, the checkpoint ends at round %d", c.Base.Number, durable.Number)
		return &wal.TapeContents{Base: durable, Last: c.Last, Lost: lost}
	}
	i := int(durable.Number) - int(c.Base.Number) - 1
	if i < 0 || i >= len(c.Rounds) || c.Rounds[i].Damage != nil || c.Rounds[i].Epoch != durable.Epoch ||
		!slices.ContainsFunc(c.Rounds[:i], func(r wal.RoundInfo) bool { return r.Damage != nil }) {
		return c
	}
	return &wal.TapeContents{Base: durable, Rounds: c.Rounds[i+1:], Last: c.Last, Lost: c.Lost}
}

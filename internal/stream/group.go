package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// The errors of the interface, beside those of package quorum.
var (
	// ErrNotLeader: another member leads, or none. Nothing was done.
	ErrNotLeader = errors.New("stream: not the leader")
	// ErrBusy: a change of membership is under way, or the leader is new. Try again.
	ErrBusy = errors.New("stream: a change is under way")
	// ErrOtherFolder: the group knows this member with another folder. What it has promised
	// and acknowledged was there, so with this one it does not count. Remove the member,
	// and add it again as a learner.
	ErrOtherFolder = errors.New("stream: the member is known with another folder: remove it from the group and add it again")
	// ErrLastVoter: without the member that is to be removed there is no group.
	ErrLastVoter = errors.New("stream: the last voter stays")
	// ErrGone: the rounds are not in the log any more; a snapshot has what was in them.
	ErrGone = errors.New("stream: the rounds are discarded")
	// ErrRetired: the member takes no part any more.
	ErrRetired = errors.New("stream: the member has retired")
	// ErrCorrupt: what is on the disk contradicts itself.
	ErrCorrupt = errors.New("stream: the log is damaged")
)

// Role is what a member is.
type Role uint8

// The roles.
const (
	Follower Role = iota
	Candidate
	Leader
)

func (r Role) String() string { return [...]string{"follower", "candidate", "leader"}[r] }

// Final is the final watermark of an epoch. An epoch of which no round has survived has
// none, and nothing of it is left.
type Final struct {
	Epoch     wal.Epoch
	Last      wal.RoundNumber // the last round of the epoch
	Watermark hlc.Timestamp
}

// Group is one member's part of a replica group. Its methods are for tasks of its
// Runtime.
type Group struct {
	id       quorum.NodeID
	rt       *quorum.Runtime
	endpoint *quorum.Endpoint
	options  Options
	methods  methods
	disk     *disk
	log      *log

	epoch    wal.Epoch
	vote     quorum.NodeID
	open     wal.Epoch // the epoch, if this member has only heard of it: it has neither voted in it nor got a leader
	promised uint64    // the number of the last ballot
	role     Role
	leader   quorum.NodeID
	silence  silence
	// election is won when a follower has heard nothing for too long.
	election *quorum.Timeout
	failures int // campaigns since there was a leader
	// recovering: the member does not vote, because it may have forgotten rounds; lostRounds: its
	// disk did.
	recovering, lostRounds bool
	// found is what is on the tape, nil when that is loaded. While something of it is
	// damaged, claimant is who has said to lead since the member was started.
	found    *wal.TapeContents
	claimant claimant
	damaged  error // a DamagedError, or several, of what is not repaired yet
	healing  bool
	// retired: it takes no part any more. ahead: its disk may lack what it has acknowledged.
	retired, ahead bool
	matched        position // the end of what is known to be in the log of its epoch's leader
	// otherFolder: the last leader's message to this member was for one with another folder, or,
	// before there was one, a candidate's.
	otherFolder bool
	// asked: the leader wants this member to campaign.
	asked bool
	// preferAt is when the preferred member may be asked to lead again, preferWait how long that
	// took since it was asked last.
	preferAt, preferWait time.Duration

	commit  *quorum.Watermark // rounds up to here are durable
	behind  *quorum.Watermark
	first   wal.RoundNumber // that the leader can send, as it said when behind moved last
	elected *quorum.Queue[*Leadership]
	reign   *Leadership // of this member, the last one
}

// Start makes a node a member of a group whose state it has on its disk. The endpoint
// must not listen yet.
func Start(ctx context.Context, e *quorum.Endpoint, t Tape, b BallotFile, o Options) (*Group, error) {
	rt := quorum.RuntimeOf(ctx)
	g := &Group{id: rt.Node(), rt: rt, endpoint: e, options: o.withDefaults(), epoch: o.Ballot.Epoch, vote: quorum.NodeID(o.Ballot.Vote)}
	if e := o.Contents.Base.Epoch; e > g.epoch {
		g.epoch, g.vote = e, 0 // a snapshot came from an epoch that the member had not heard of
	}
	g.found, g.options.Contents = behindDamage(o.Contents, o.Durable), nil
	g.log = newLog(g.found.Base, o.Members.clone())
	g.lostRounds = o.Ballot.Lost && !o.GiveUpLost
	g.recovering = o.Ballot.Ahead && !o.GiveUpLost || g.lostRounds
	g.ahead = o.Ballot.Ahead && (g.recovering || o.Durability == Memory)
	g.disk = newDisk(ctx, t, b, g.options.Logf)
	g.disk.lazyMax = g.lazyMax()
	if g.epoch > o.Ballot.Epoch || g.ahead != o.Ballot.Ahead {
		g.saveBallot() // what waits for promised is not acknowledged before
	}
	g.commit = quorum.NewWatermark(ctx, "stream commit", uint64(g.found.Base.Number))
	if err := g.load(ctx, t); err != nil {
		return nil, err
	}
	g.outrunDisk()
	g.behind = quorum.NewWatermark(ctx, "stream behind", 0)
	g.elected = quorum.NewQueue[*Leadership](ctx, "stream elected", 1)
	g.reign = newLeadership(ctx, 0)
	g.silence = newSilence(g.options.ElectionTimeout, g.options.Heartbeat)
	g.election = quorum.After(ctx, 0)
	g.expectLeader()
	g.serve()
	e.OnPeer(func(id quorum.NodeID, up bool) {
		if !up {
			g.lost(id)
		}
	})
	return g, nil
}

// load notes what is on the tape, unless some of that is damaged.
func (g *Group) load(ctx context.Context, t Tape) error {
	members, err := g.readMembers(ctx, t)
	if err != nil || g.found.Lost != nil || g.nextHole(g.found.Base.Number+1) != nil {
		return err
	}
	for i := range g.found.Rounds {
		info := &g.found.Rounds[i]
		if info.Number != g.log.last()+1 || info.Epoch < g.log.lastEpoch() || info.Epoch > g.epoch {
			return fmt.Errorf("%w: round %d of epoch %d behind round %d of epoch %d, in epoch %d", ErrCorrupt, info.Number, info.Epoch, g.log.last(), g.log.lastEpoch(), g.epoch)
		}
		r := wal.Round{Number: info.Number, Epoch: info.Epoch, Kind: info.Kind, Watermark: info.Watermark}
		if info.Kind == wal.RoundMembers {
			r, members = members[0], members[1:]
		}
		g.log.note(&r, uint64(info.Bytes))
	}
	g.found, g.disk.written = nil, g.log.last()
	g.advance(min(g.options.Durable.Number, g.log.last()))
	return nil
}

// readMembers reads the rounds that say who the members are. One that is damaged is
// marked.
func (g *Group) readMembers(ctx context.Context, t Tape) (members []wal.Round, err error) {
	for i := range g.found.Rounds {
		info := &g.found.Rounds[i]
		if info.Kind != wal.RoundMembers || info.Damage != nil {
			continue
		}
		read, err := quorum.Blocking(ctx, quorum.KindDisk, "stream load", func() ([]wal.Round, error) { return t.Read(info.Number, 1) }).Wait(ctx)
		var damage *wal.DamagedError
		switch {
		case errors.As(err, &damage):
			info.Damage = damage.Err
		case err != nil:
			return nil, err
		default:
			members = append(members, read[0])
		}
	}
	return members, nil
}

// Run takes part until ctx ends or the disk fails, and returns why.
func (g *Group) Run(ctx context.Context) error {
	if err := g.mend(ctx, g.disk.tape, g.disk.ballots); err != nil {
		return err
	}
	disk := quorum.Go(ctx, "stream disk", func(ctx context.Context) error {
		return g.disk.run(ctx, func() { g.log.evict(g.options.TailBytesMax, g.disk.written) })
	})
	quorum.Go(ctx, "stream role", g.roles)
	quorum.Go(ctx, "stream recover", g.recover)
	err := disk.Wait(ctx)
	g.stepDown(g.epoch, 0)
	return err
}

// Status is what a member thinks of itself.
type Status struct {
	Epoch       wal.Epoch
	Role        Role
	Leader      quorum.NodeID   // 0 if none is known
	Silent      bool            // the leader was not heard of for so long that it may be dead
	Recovering  bool            // does not vote yet
	OtherFolder bool            // ErrOtherFolder was the answer to a leader or a candidate
	First, Last wal.RoundNumber // of its log; it is empty if Last is below First
	Commit      wal.RoundNumber
	Full        bool            // rounds wait to be written until there is room on the disk, or less to keep
	Discarded   wal.RoundNumber // before it, what was not needed any more has left the disk
	// Damaged is a DamagedError, or several, if something of the log can not be read and no
	// other member has given it yet.
	Damaged      error
	Members      Members
	TailBytes    uint64 // of rounds in memory
	BacklogBytes uint64 // of rounds that are not known to be durable
}

// Status returns the member's state.
func (g *Group) Status() Status {
	silent := g.role == Follower && g.leader != 0 && g.rt.Elapsed()-g.silence.heard >= g.silence.limit()
	return Status{Damaged: g.damaged, Epoch: g.epoch, Role: g.role, Leader: g.leader, Silent: silent, Recovering: g.recovering || g.found != nil, OtherFolder: g.otherFolder, Full: g.disk.full, Discarded: g.disk.discarded, First: g.log.base.Number + 1, Last: g.log.last(), Commit: g.committed(),
		Members: g.members().clone(), TailBytes: g.log.tailLen, BacklogBytes: g.log.backlog(g.committed())}
}

func (g *Group) committed() wal.RoundNumber { return wal.RoundNumber(g.commit.Value()) }

func (g *Group) members() Members { return g.log.membershipAt(g.log.last()).Members }

func (g *Group) isVoter(id quorum.NodeID) bool { return slices.Contains(g.members().Voters, id) }

// votes tells whether this member, with its folder, is a voter.
func (g *Group) votes() bool {
	return g.isVoter(g.id) && counts(g.members().Folders[g.id], g.options.Folder)
}

// isCounted tells whether the member knows that its folder counts: it leads, though it may not know yet what of its log is durable,
// or that says so as far as it is.
func (g *Group) isCounted() bool {
	m := g.log.membershipAt(g.committed())
	return g.role == Leader || m.known() && m.Folders[g.id] == g.options.Folder
}

// expect returns ErrOtherFolder if a message is for a member with this one's name and
// another folder.
func (g *Group) expect(folder wal.FolderID) error {
	if !counts(folder, g.options.Folder) {
		return ErrOtherFolder
	}
	return nil
}

// Commit is the number of the last round that is known to be durable: it and those
// before it never change.
func (g *Group) Commit() *quorum.Watermark { return g.commit }

// advance moves commit.
func (g *Group) advance(to wal.RoundNumber) {
	if g.commit.Advance(uint64(to)) {
		g.log.settle(to)
		g.outrunDisk()
	}
}

// Finals returns the final watermarks of the epochs that have ended in the rounds up to
// Commit, oldest first.
func (g *Group) Finals() []Final { return g.log.finals(g.committed()) }

// Behind counts how often a leader has said that it can not send a round which this member lacks,
// because its log begins behind that: with First.
func (g *Group) Behind() *quorum.Watermark { return g.behind }

// First is the first round that a leader can send, of the one that has said so last (Behind). While
// it is above the one behind Commit, the member needs a snapshot that ends right before it or later.
func (g *Group) First() wal.RoundNumber { return g.first }

// Rounds returns rounds from a number on, at least one and not much more than bytesMax.
// Those above Commit may be replaced by others later. It fails with ErrGone if the log
// begins behind that number, or if the first one is damaged and the others have discarded it:
// then a snapshot has it that ends there or later. It fails with quorum.ErrLost if the log ends
// before it.
func (g *Group) Rounds(ctx context.Context, from wal.RoundNumber, bytesMax int) ([]wal.Round, error) {
	for {
		if from <= g.log.base.Number {
			return nil, ErrGone
		}
		if from > g.log.last() {
			return nil, quorum.ErrLost
		}
		if rounds, ok := g.log.from(from, bytesMax); ok {
			return rounds, nil
		}
		// Of what is not in memory nothing waits to be written.
		rounds, err := g.disk.read(ctx, from, bytesMax)
		if from <= g.log.base.Number {
			continue // the log was changed meanwhile
		}
		var damage *wal.DamagedError
		if errors.As(err, &damage) {
			err = g.heal(ctx, from, damage)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if rounds = g.log.sound(from, rounds); len(rounds) > 0 {
			return rounds, nil
		}
		if _, ok := g.log.from(from, bytesMax); !ok {
			return nil, fmt.Errorf("%w: round %d", ErrCorrupt, from)
		}
	}
}

// Discard forgets the rounds before a number, which a checkpoint has made superfluous.
// They have to be durable.
func (g *Group) Discard(before wal.RoundNumber) {
	before = min(before, g.committed()+1)
	g.log.discard(before)
	g.disk.discard(before)
	var d *DamagedError
	if errors.As(g.damaged, &d) && g.found == nil && d.To < before {
		g.damaged = nil // of the loaded log: one round
	}
}

// Install puts an empty log behind base in place of the member's: a snapshot that ends
// there has what was before it, and names the members. Nothing is done if the log has
// that round, or more durable ones. Run has to run.
func (g *Group) Install(ctx context.Context, base wal.Base, m Members) error {
	if e, ok := g.log.epoch(base.Number); ok && e == base.Epoch || base.Number <= g.committed() {
		return nil
	}
	// Of an epoch that the member may not have heard of: it takes nothing of earlier ones behind it.
	g.observe(base.Epoch)
	g.log = newLog(base, m.clone())
	g.disk.reset(base)
	g.advance(base.Number)
	return g.disk.sync(ctx)
}

// ballot is what the member promises.
func (g *Group) ballot() wal.Ballot {
	return wal.Ballot{Epoch: g.epoch, Vote: uint32(g.vote), Ahead: g.ahead, Lost: g.lostRounds}
}

// saveBallot puts what the member promises.
func (g *Group) saveBallot() {
	g.promised = g.disk.save(g.ballot())
}

// take appends rounds of another's log to the own one, which has the one before them:
// what contradicts them is dropped.
func (g *Group) take(rounds []wal.Round) {
	for _, r := range rounds {
		if r.Number <= g.log.base.Number {
			continue // a snapshot has it
		}
		if epoch, ok := g.log.epoch(r.Number); ok {
			if epoch == r.Epoch {
				continue
			}
			if r.Number <= g.committed() {
				panic("stream: what is durable is contradicted")
			}
			g.log.truncate(r.Number)
		}
		g.log.append(r)
		g.disk.append(r)
	}
}

// matches tells whether the log has a round, and if not, from where on it may match.
func (g *Group) matches(p position) (next wal.RoundNumber, ok bool) {
	if p.number <= g.log.base.Number {
		return 0, true // up to there it is durable
	}
	epoch, ok := g.log.epoch(p.number)
	if !ok {
		return g.log.last() + 1, false
	}
	if epoch == p.epoch {
		return 0, true
	}
	// None of that epoch's rounds can be trusted.
	return g.log.spans[g.log.spanOf(p.number)].first, false
}

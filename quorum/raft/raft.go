package raft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// StateMachine is what the log is replicated for. Its methods do not wait.
type StateMachine interface {
	// Apply carries out a command and returns its result.
	Apply(index uint64, command []byte) []byte
	// Snapshot returns the whole state; Restore takes it back.
	Snapshot() []byte
	Restore(data []byte) error
}

// Options are a node's. Zero values stand for defaults.
type Options struct {
	Dir string // where the node keeps its files
	// Voters are the first members of a new cluster. A node that is to join one
	// that runs has none.
	Voters []quorum.NodeID
	// ElectionTimeout is how long a node does not hear from a leader before it
	// wants to be one: between one and two of it, drawn anew each time. Default:
	// 1 s.
	ElectionTimeout time.Duration
	// Heartbeat is how long a leader says nothing at most. Default: a tenth of
	// ElectionTimeout.
	Heartbeat time.Duration
	// BatchEntriesMax and BatchBytesMax bound one request. Defaults: 1,024
	// entries, 1 MiB; one entry always fits.
	BatchEntriesMax, BatchBytesMax int
	// ProposalsMax bounds the commands that are not applied; more fail with
	// quorum.ErrOverloaded. Default: 4,096.
	ProposalsMax int
	// SnapshotEntries is how long the log gets before a snapshot takes its
	// place. Default: 8,192.
	SnapshotEntries int
	// Logf, if set, is told what the node does.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	o.ElectionTimeout = cmp.Or(o.ElectionTimeout, time.Second)
	o.Heartbeat = cmp.Or(o.Heartbeat, o.ElectionTimeout/10)
	o.BatchEntriesMax = cmp.Or(o.BatchEntriesMax, 1024)
	o.BatchBytesMax = cmp.Or(o.BatchBytesMax, 1<<20)
	o.ProposalsMax = cmp.Or(o.ProposalsMax, 4096)
	o.SnapshotEntries = cmp.Or(o.SnapshotEntries, 8192)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// The errors of the interface, beside those of package quorum.
var (
	// ErrNotLeader: another node leads, or none. Nothing was done.
	ErrNotLeader = errors.New("raft: not the leader")
	// ErrDropped: the command was not carried out and will not be: another took
	// its place in the log.
	ErrDropped = errors.New("raft: the command was dropped")
	// ErrUnknown: the node has stopped leading or failed before it knew what
	// became of the command. It may be carried out or not.
	ErrUnknown = errors.New("raft: outcome unknown")
	// ErrBusy: a change of membership is under way, or the leader is new.
	ErrBusy = errors.New("raft: a change is under way")
	// ErrLastVoter: without the node that is to be removed there is no cluster.
	ErrLastVoter = errors.New("raft: the last voter stays")
)

// Role is what a node is.
type Role uint8

// The roles.
const (
	Follower Role = iota
	Candidate
	Leader
)

func (r Role) String() string { return [...]string{"follower", "candidate", "leader"}[r] }

// Node is a member of a cluster. Its methods are for tasks of its Runtime.
type Node struct {
	id       quorum.NodeID
	rt       *quorum.Runtime
	endpoint *quorum.Endpoint
	machine  StateMachine
	options  Options
	methods  methods
	journal  *journal.Journal
	log      *log

	term   uint64
	vote   quorum.NodeID
	role   Role
	leader quorum.NodeID
	heard  time.Duration // from the leader, last
	// election is won when a follower has heard nothing for too long.
	election *quorum.Timeout
	// deposed is decided when the node does not lead, or want to, in term any
	// more.
	deposed *quorum.Value[struct{}]

	commit    *quorum.Watermark // entries up to here are on a majority
	applied   *quorum.Watermark
	proposals map[uint64]*quorum.Value[[]byte] // of the results, by index

	// While it leads:
	peers        map[quorum.NodeID]*peer
	ctx          context.Context   // that ends when it does not any more
	work         *quorum.Watermark // moves when there is something to send
	round        uint64            // of asking who still follows
	confirmed    *quorum.Watermark // the round that a majority has answered
	first        uint64            // index of its first entry
	transferring bool
}

// Start reads what the node had on its disk and makes it a member. The endpoint
// must not listen yet. The result is won when the node works, and lost with what
// stopped it then.
func Start(ctx context.Context, e *quorum.Endpoint, files env.FS, machine StateMachine, o Options) (*Node, error) {
	j, records, err := journal.Open(ctx, files, o.Dir)
	if err != nil {
		return nil, err
	}
	rt := quorum.RuntimeOf(ctx)
	n := &Node{id: rt.Node(), rt: rt, endpoint: e, machine: machine, options: o.withDefaults(),
		journal: j, log: &log{snapshot: snapshot{voters: o.Voters}}, proposals: map[uint64]*quorum.Value[[]byte]{}}
	if err := n.restore(records); err != nil {
		return nil, err
	}
	n.saveAll()
	base := n.log.snapshot.index
	if base > 0 {
		if err := machine.Restore(n.log.snapshot.data); err != nil {
			return nil, fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		}
	}
	n.commit = quorum.NewWatermark(ctx, "raft commit", base)
	n.applied = quorum.NewWatermark(ctx, "raft applied", base)
	n.work = quorum.NewWatermark(ctx, "raft work", 0)
	n.deposed = quorum.NewValue[struct{}](ctx, "raft deposed")
	n.confirmed = quorum.NewWatermark(ctx, "raft confirmed", 0)
	n.heard = -n.options.ElectionTimeout
	n.election = quorum.After(ctx, 0)
	n.expectLeader()
	n.serve()
	return n, nil
}

// Run takes part until ctx ends or the disk fails, and returns why.
func (n *Node) Run(ctx context.Context) error {
	disk := quorum.Go(ctx, "raft disk", n.journal.Run)
	quorum.Go(ctx, "raft apply", n.apply)
	quorum.Go(ctx, "raft role", n.roles)
	err := disk.Wait(ctx)
	n.stepDown(n.term, 0)
	n.failProposals(0, ErrUnknown)
	return err
}

// Status is what a node thinks of itself.
type Status struct {
	Term            uint64
	Role            Role
	Leader          quorum.NodeID // 0 if none is known
	Last            uint64        // index of the last entry
	Commit, Applied uint64
	Entries         int // in memory, behind the snapshot
	Voters          []quorum.NodeID
}

// Status returns the node's state.
func (n *Node) Status() Status {
	return Status{n.term, n.role, n.leader, n.log.last(), n.commit.Value(), n.applied.Value(), len(n.log.entries), slices.Clone(n.voters())}
}

func (n *Node) voters() []quorum.NodeID {
	v, _ := n.log.voters(n.log.last())
	return v
}

func (n *Node) isVoter(id quorum.NodeID) bool { return slices.Contains(n.voters(), id) }

// Propose replicates a command and returns its result when it is applied. With
// any error but ErrNotLeader, ErrDropped and quorum.ErrOverloaded the command may
// have been carried out, or may be later.
func (n *Node) Propose(ctx context.Context, command []byte) ([]byte, error) {
	if n.role != Leader || n.transferring {
		return nil, ErrNotLeader
	}
	if len(n.proposals) >= n.options.ProposalsMax {
		return nil, quorum.ErrOverloaded
	}
	return n.propose(ctx, Entry{n.term, KindCommand, command}).Wait(ctx)
}

// propose appends an entry and returns its result-to-be.
func (n *Node) propose(ctx context.Context, e Entry) *quorum.Value[[]byte] {
	result := quorum.NewValue[[]byte](ctx, "raft proposal")
	n.proposals[n.add(e)] = result
	return result
}

// add appends an entry to the leader's log.
func (n *Node) add(e Entry) uint64 {
	n.log.append(e)
	n.journal.Append(&record{kind: recordEntry, index: n.log.last(), entry: e})
	n.kick()
	return n.log.last()
}

// kick makes the replicating tasks look what there is to send.
func (n *Node) kick() { n.work.Advance(n.work.Value() + 1) }

// Read waits until the state machine is at least as new as anything that was
// acknowledged when Read was called: what is read then is linearizable (§6.4).
func (n *Node) Read(ctx context.Context) error {
	if n.role != Leader {
		return ErrNotLeader
	}
	// Only an entry of its own term tells a leader what is committed.
	if err := n.untilDeposed(ctx, n.commit.Reached(n.first)); err != nil {
		return err
	}
	index := n.commit.Value()
	n.round++
	n.kick()
	n.confirm()
	if err := n.untilDeposed(ctx, n.confirmed.Reached(n.round)); err != nil {
		return err
	}
	return n.applied.Wait(ctx, index)
}

// untilDeposed waits for an event, and gives up when the node does not lead any
// more.
func (n *Node) untilDeposed(ctx context.Context, e quorum.Event) error {
	which, err := quorum.Select(ctx, n.deposed, e)
	if err == nil && which == 0 {
		err = ErrNotLeader
	}
	return err
}

// failProposals tells those who wait for entries from an index on what became of
// them.
func (n *Node) failProposals(from uint64, err error) {
	for _, i := range slices.Sorted(maps.Keys(n.proposals)) {
		if p := n.proposals[i]; i >= from {
			delete(n.proposals, i)
			p.Fail(err)
		}
	}
}

package copilot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// StateMachine is what the logs are replicated for. Its methods do not wait.
type StateMachine interface {
	// Apply carries out a command and returns its result. index counts the
	// commands, from 1.
	Apply(index uint64, command []byte) []byte
	// Snapshot returns the whole state; Restore takes it back.
	Snapshot() []byte
	Restore(data []byte) error
}

// Options are a node's. Zero values stand for defaults.
type Options struct {
	Dir string // where the node keeps its files
	// Members are all nodes of the cluster, three or more: the same everywhere,
	// and for ever.
	Members []quorum.NodeID
	// TakeoverTimeout is how late a pilot's answers are before the other one
	// gives its log to a third, if others are quicker. Each time it has to, it
	// waits twice as long the next time, up to a quarter of ElectionTimeout; and
	// half as long again once four times that has passed in which less than
	// half of it would have done. Default: 5 ms.
	TakeoverTimeout time.Duration
	// ElectionTimeout is how long a node does not hear from a pilot before it
	// wants to be one: between one and two of it, drawn anew each time. Default:
	// 1 s.
	ElectionTimeout time.Duration
	// Heartbeat is how long a pilot says nothing at most. Default: a tenth of
	// ElectionTimeout.
	Heartbeat time.Duration
	// PingPong is how long a pilot waits at most for the other's entry before it
	// proposes the next one of its own (§4.4). Default: 4 ms.
	PingPong time.Duration
	// BatchBytesMax bounds an entry, of about 16 bytes for each command and what is
	// in it. Default: 64 KiB; one command always fits.
	BatchBytesMax int
	// EntriesMax bounds the entries of a pilot's log that are not carried out
	// yet. Default: 2.
	EntriesMax int
	// CommandsMax bounds the commands that wait at a pilot; more fail with
	// quorum.ErrOverloaded. Default: 4,096.
	CommandsMax int
	// SnapshotEntries and SnapshotBytes are how much is carried out of both logs
	// before a snapshot takes its place. Defaults: 16,384 entries, 8 MiB.
	SnapshotEntries, SnapshotBytes int
	// SessionsMax bounds the clients that are remembered: of more, the one that
	// has been silent longest is forgotten, and a command of its that comes again
	// then is carried out again. Default: 65,536.
	SessionsMax int
	// Logf, if set, is told what the node does.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	o.TakeoverTimeout = cmp.Or(o.TakeoverTimeout, 5*time.Millisecond)
	o.ElectionTimeout = cmp.Or(o.ElectionTimeout, time.Second)
	o.Heartbeat = cmp.Or(o.Heartbeat, o.ElectionTimeout/10)
	o.PingPong = cmp.Or(o.PingPong, 4*time.Millisecond)
	o.BatchBytesMax = cmp.Or(o.BatchBytesMax, 64<<10)
	o.EntriesMax = cmp.Or(o.EntriesMax, 2)
	o.CommandsMax = cmp.Or(o.CommandsMax, 4096)
	o.SnapshotEntries = cmp.Or(o.SnapshotEntries, 16384)
	o.SnapshotBytes = cmp.Or(o.SnapshotBytes, 8<<20)
	o.SessionsMax = cmp.Or(o.SessionsMax, 1<<16)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// The errors of the interface, beside those of package quorum.
var (
	// ErrNotPilot: the node is no pilot, or is none any more. The command may have
	// been carried out, or may be later; to ask others for the same command again
	// is safe.
	ErrNotPilot = errors.New("copilot: not a pilot")
	// ErrStale: the client has had a later command carried out.
	ErrStale = errors.New("copilot: a later command was carried out")
	// errMembers: the options name no cluster that the node is in.
	errMembers = errors.New("copilot: the node has to be one of three members or more")
)

// Node is a member of a cluster. Its methods are for tasks of its Runtime.
type Node struct {
	id       quorum.NodeID
	rt       *quorum.Runtime
	endpoint *quorum.Endpoint
	machine  StateMachine
	options  Options
	methods  methods
	journal  *journal.Journal
	ctx      context.Context // of Run

	promised uint64 // it takes part in no earlier epoch
	opened   uint64 // the epoch that the logs are of
	pilots   [logs]quorum.NodeID
	logs     [logs]log
	// front is what is known of log 0 beyond its end here: all entries behind
	// front[0] have front[1] as a dependency, or more.
	front pair

	snapshot snapshot
	executed pair   // entries that were carried out
	bytes    int    // of these, behind the snapshot
	applied  uint64 // commands that were carried out
	sessions sessions
	changed  *quorum.Watermark // moves when there may be something to carry out
	moved    time.Duration     // when something was carried out last, or came to be

	// election is won when a node has heard of no pilot for too long, or a pilot
	// wants to replace the other.
	election   *quorum.Timeout
	heard      time.Duration // from a pilot, last
	promisedAt time.Duration
	patience   time.Duration // with the other pilot

	pilot   *pilot // while it is one
	waiting map[key]*waiter
	queue   []*waiter // those of waiting in the order that they came, and some that wait no more
}

// key names a command.
type key struct{ client, seq uint64 }

// waiter is a command that waits at a pilot to be carried out.
type waiter struct {
	command Command
	result  *quorum.Value[[]byte]
	placed  uint64 // the epoch in which it was found in a log
}

// Start reads what the node had on its disk and makes it a member. The endpoint
// must not listen yet.
func Start(ctx context.Context, e *quorum.Endpoint, files env.FS, machine StateMachine, o Options) (*Node, error) {
	rt := quorum.RuntimeOf(ctx)
	n := &Node{id: rt.Node(), rt: rt, endpoint: e, machine: machine, options: o.withDefaults(), waiting: map[key]*waiter{}}
	if len(o.Members) < 3 || !slices.Contains(o.Members, n.id) {
		return nil, errMembers
	}
	var records [][]byte
	var err error
	if n.journal, records, err = journal.Open(ctx, files, o.Dir); err != nil {
		return nil, err
	}
	n.changed = quorum.NewWatermark(ctx, "copilot changed", 0)
	if err := n.load(records); err != nil {
		return nil, err
	}
	n.saveAll()
	n.patience = n.options.TakeoverTimeout
	n.heard, n.promisedAt = -n.options.ElectionTimeout, -n.options.ElectionTimeout
	n.election = quorum.After(ctx, 0)
	n.expectPilots()
	n.serve()
	return n, nil
}

// Run takes part until ctx ends or the disk fails, and returns why.
func (n *Node) Run(ctx context.Context) error {
	n.ctx = ctx
	disk := quorum.Go(ctx, "copilot disk", n.journal.Run)
	quorum.Go(ctx, "copilot apply", n.apply)
	quorum.Go(ctx, "copilot role", n.roles)
	err := disk.Wait(ctx)
	n.retire()
	n.failWaiting()
	return err
}

// Status is what a node thinks of itself.
type Status struct {
	Epoch    uint64           // the newest that it takes part in
	Opened   uint64           // the epoch that its logs are of
	Pilots   [2]quorum.NodeID // of that; 0 for none
	Pilot    bool             // it is one of them
	Last     [2]uint64        // the last entry of each log
	Executed [2]uint64        // the last carried out
	Applied  uint64           // commands carried out
	Entries  int              // in memory, behind the snapshot
}

// Status returns the node's state.
func (n *Node) Status() Status {
	return Status{
		Epoch: n.promised, Opened: n.opened, Pilots: n.pilots, Pilot: n.pilot != nil,
		Last: n.ends(), Executed: n.executed, Applied: n.applied,
		Entries: len(n.logs[0].entries) + len(n.logs[1].entries),
	}
}

// majority is how many nodes make sure: any two majorities share a node.
func (n *Node) majority() int { return len(n.options.Members)/2 + 1 }

// Submit has a command carried out, once however often it is submitted, and
// returns its result. A client submits each command to both pilots and takes the
// first result.
func (n *Node) Submit(ctx context.Context, c Command) ([]byte, error) {
	if s := n.sessions.find(c.Client); s != nil && c.Seq <= s.seq {
		if c.Seq < s.seq {
			return nil, ErrStale
		}
		return s.result, nil
	}
	if n.pilot == nil {
		return nil, ErrNotPilot
	}
	k := key{c.Client, c.Seq}
	w := n.waiting[k]
	if w == nil {
		if len(n.waiting) >= n.options.CommandsMax {
			return nil, quorum.ErrOverloaded
		}
		w = &waiter{command: c, result: quorum.NewValue[[]byte](ctx, "copilot command")}
		n.waiting[k], n.queue = w, append(n.queue, w)
		n.pilot.offer()
	}
	return w.result.Wait(ctx)
}

// failWaiting tells those who wait that the node is no pilot any more.
func (n *Node) failWaiting() {
	for _, w := range n.queue {
		w.result.Fail(ErrNotPilot)
	}
	n.queue = nil
	clear(n.waiting)
}

package copilot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// gives its log to a third, if others are quicker; and how long an entry waits
	// for the other pilot's vote before it does without. Default: 5 ms.
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
	// BatchCommandsMax and BatchBytesMax bound an entry. Defaults: 1,024 commands,
	// 64 KiB; one command always fits.
	BatchCommandsMax, BatchBytesMax int
	// EntriesMax bounds the records of a pilot's log that are not carried out
	// yet. Default: 16.
	EntriesMax int
	// CommandsMax bounds the commands that wait at a pilot; more fail with
	// quorum.ErrOverloaded. Default: 4,096.
	CommandsMax int
	// SnapshotRecords and SnapshotBytes are how long the logs get, together, before
	// a snapshot takes their place. Defaults: 16,384 records, 8 MiB.
	SnapshotRecords, SnapshotBytes int
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
	o.BatchCommandsMax = cmp.Or(o.BatchCommandsMax, 1024)
	o.BatchBytesMax = cmp.Or(o.BatchBytesMax, 64<<10)
	o.EntriesMax = cmp.Or(o.EntriesMax, 16)
	o.CommandsMax = cmp.Or(o.CommandsMax, 4096)
	o.SnapshotRecords = cmp.Or(o.SnapshotRecords, 16384)
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
	// fresh: it has run without interruption since the epoch was opened. A pilot
	// that starts again may have forgotten what it proposed.
	fresh bool
	logs  [logs]log

	snapshot snapshot
	executed pair   // records that were carried out
	applied  uint64 // commands that were
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
}

// key names a command.
type key struct{ client, seq uint64 }

// waiter is a command that waits at a pilot to be carried out.
type waiter struct {
	command Command
	result  *quorum.Value[[]byte]
	placed  bool // it is in an entry of either log
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
	if err := n.load(records); err != nil {
		return nil, err
	}
	n.saveAll()
	n.changed = quorum.NewWatermark(ctx, "copilot changed", 0)
	if n.snapshot.at != (pair{}) {
		if err := n.restore(&n.snapshot); err != nil {
			return nil, fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		}
	}
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
	n.settleRole()
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
	Last     [2]uint64        // the last record of each log
	Commit   [2]uint64        // the last committed
	Executed [2]uint64        // the last carried out
	Applied  uint64           // commands carried out
	Records  int              // in memory, behind the snapshot
}

// Status returns the node's state.
func (n *Node) Status() Status {
	s := Status{Epoch: n.promised, Opened: n.opened, Pilots: n.pilots, Pilot: n.pilot != nil, Executed: n.executed, Applied: n.applied}
	for j := range n.logs {
		l := &n.logs[j]
		s.Last[j], s.Commit[j] = l.last(), l.commit
		s.Records += len(l.records)
	}
	return s
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
		n.waiting[k] = w
		n.pilot.enqueue(w)
	}
	return w.result.Wait(ctx)
}

// failWaiting tells those who wait that the node is no pilot any more.
func (n *Node) failWaiting() {
	for _, k := range n.waitingKeys() {
		n.waiting[k].result.Fail(ErrNotPilot)
	}
	clear(n.waiting)
}

// waitingKeys returns the names of the commands that wait, in order.
func (n *Node) waitingKeys() []key {
	keys := make([]key, 0, len(n.waiting))
	for k := range n.waiting {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.seq, b.seq)) })
	return keys
}

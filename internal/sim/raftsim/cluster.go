package raftsim

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
	"github.com/godwitdb/godwit/quorum/raft"
)

// Cluster is a cluster in a World, its clients, and what they saw.
type Cluster struct {
	Raft    raft.Options
	Network quorum.Options
	Tracer  quorum.Tracer // of the members; nil for none
	// Wander makes clients ask any member now and then, also one that led before,
	// and not only the one that answered last.
	Wander bool

	world   *sim.World
	first   []env.NodeID // voters at the beginning
	all     []env.NodeID // members that there ever are
	members map[env.NodeID]*member
	leaders map[uint64]env.NodeID // by term
	log     []uint32              // hashes of what was applied, by index
	history history.History
	// Latencies are those of the clients' successful requests.
	Latencies []time.Duration
	stopped   bool
	// What became of members that ended by themselves.
	refused map[env.NodeID]error // their disks are damaged
	full    int                  // times that a disk was full
}

// NewCluster adds members and starts them. Of those, voters vote from the
// beginning.
func NewCluster(w *sim.World, members, voters int, o raft.Options) *Cluster {
	c := &Cluster{Raft: o, world: w, members: map[env.NodeID]*member{}, leaders: map[uint64]env.NodeID{},
		refused: map[env.NodeID]error{}}
	for i := range members {
		c.all = append(c.all, env.NodeID(i+1))
	}
	c.first = slices.Clone(c.all[:voters])
	w.Show = show
	return c
}

// Start starts the members.
func (c *Cluster) Start() {
	for _, id := range c.all {
		c.world.AddNode(id, c.boot).Start()
	}
	c.watch()
}

// watch looks at all members again and again.
func (c *Cluster) watch() {
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.node.Up() || m.raft == nil {
			continue
		}
		if s := m.raft.Status(); s.Role == raft.Leader {
			if other, ok := c.leaders[s.Term]; ok && other != id {
				c.world.Fail("election safety: n%d and n%d lead in term %d", other, id, s.Term)
			}
			c.leaders[s.Term] = id
		}
	}
	c.world.After(5*time.Millisecond, c.watch)
}

// applied checks that all members apply the same.
func (c *Cluster) applied(n *sim.Node, index uint64, command []byte) {
	for uint64(len(c.log)) <= index {
		c.log = append(c.log, 0)
	}
	hash := crc32.ChecksumIEEE(command) | 1
	if c.log[index] == 0 {
		c.log[index] = hash
	}
	if c.log[index] != hash {
		c.world.Fail("state machine safety: n%d applies another command at %d", n.ID(), index)
	}
}

// journalOf returns the name of the file from which a member takes its state when
// it starts.
func journalOf(n *sim.Node) string {
	name, _ := journal.Newest(n.Files().Names())
	return name
}

// expose lets the disks of some members be damaged, where a journal finds it.
func (c *Cluster) expose(disks int) {
	for _, i := range c.world.Draw("exposed").Perm(len(c.all))[:disks] {
		n := c.world.Node(c.all[i])
		n.Exposed = func() (string, int) {
			name := journalOf(n)
			synced, err := n.Files().Synced(name)
			if err != nil {
				return "", 0 // it has never started
			}
			return name, journal.Covered(synced)
		}
	}
}

// started is called when a member has taken its state from its disk, and before
// it says anything to others: from a damaged disk it must not.
func (c *Cluster) started(n *sim.Node) {
	if name := journalOf(n); n.Files().Damaged(name) {
		c.world.Fail("n%d works with %s, which is damaged", n.ID(), name)
	}
	delete(c.refused, n.ID())
}

// ended judges why a member's program has ended by itself: there has to be a
// reason, and if the disk is damaged it is really.
func (c *Cluster) ended(n *sim.Node, err error) {
	switch {
	case errors.Is(err, journal.ErrCorrupt) && n.Files().Damaged(journalOf(n)):
		c.refused[n.ID()] = err
	case env.IsDiskFull(err):
		c.full++
	case errors.Is(err, sim.ErrSync):
	default:
		c.world.Fail("n%d ends without a reason: %v", n.ID(), err)
	}
}

// Leader returns the member that leads in the latest term, or nil.
func (c *Cluster) Leader() *raft.Node {
	var leader *raft.Node
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.node.Up() || m.raft == nil || m.raft.Status().Role != raft.Leader {
			continue
		}
		if leader == nil || m.raft.Status().Term > leader.Status().Term {
			leader = m.raft
		}
	}
	return leader
}

// clientsFrom is the first name of a client's machine.
const clientsFrom = 100

// Clients adds a machine with clients that read and write registers until Stop.
// Each waits for a while of pause on average between two requests.
func (c *Cluster) Clients(clients, keys int, pause time.Duration) {
	id := env.NodeID(clientsFrom)
	for c.world.Node(id) != nil {
		id++
	}
	method := clientMethod()
	machine := c.world.AddNode(id, func(n *sim.Node) {
		e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{}, nil)
		for k := range clients {
			client := history.ClientID(int(id)*1000 + k)
			n.Runtime().Go("client", func(ctx context.Context) error {
				target := c.all[c.world.Rand().IntN(len(c.all))]
				for seq := uint64(1); !c.stopped; seq++ {
					if c.Wander && c.world.Rand().IntN(8) == 0 {
						target = c.all[c.world.Rand().IntN(len(c.all))]
					}
					key := uint64(c.world.Rand().IntN(keys))
					r := &request{Client: uint64(client), Seq: seq, Write: c.world.Rand().IntN(2) == 0, Key: key, Value: uint64(client)<<32 | seq}
					txn := history.Txn{Client: client, Invoke: history.Time(c.world.Now())}
					op, cancel := quorum.WithTimeout(ctx, opTimeout)
					resp, err := method.Call(op, e, target, r)
					cancel()
					if ctx.Err() != nil {
						return ctx.Err()
					}
					txn.Complete = history.Time(c.world.Now())
					c.note(&txn, r, resp, err)
					if err == nil && resp.Done {
						c.Latencies = append(c.Latencies, time.Duration(txn.Complete-txn.Invoke))
					} else if err == nil && resp.Leader != 0 {
						target = resp.Leader
					} else {
						target = c.all[c.world.Rand().IntN(len(c.all))]
					}
					d := time.Duration(c.world.Rand().ExpFloat64() * float64(pause))
					if err := quorum.Sleep(ctx, d); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	machine.Immune = true
	machine.Start()
}

// note adds a request to the history.
func (c *Cluster) note(txn *history.Txn, r *request, resp *response, err error) {
	txn.Outcome = history.OK
	if err != nil {
		txn.Outcome = history.Unknown
		if errors.Is(err, quorum.ErrUnreachable) || errors.Is(err, quorum.ErrOverloaded) {
			txn.Outcome = history.Failed
		}
	} else if !resp.Done {
		txn.Outcome = history.Failed
	}
	op := history.Op{Kind: history.OpWrite, Key: history.Key(r.Key), Value: history.Value(r.Value)}
	if !r.Write {
		if txn.Outcome != history.OK {
			return // a read that was not answered says nothing
		}
		op = history.Op{Kind: history.OpRead, Key: history.Key(r.Key), Found: resp.Found}
		if resp.Found {
			op.Value = history.Value(resp.Value)
		}
	}
	txn.Ops = []history.Op{op}
	c.history.Txns = append(c.history.Txns, *txn)
}

// Stop ends the clients after the request that each has under way.
func (c *Cluster) Stop() { c.stopped = true }

// Settle demands that the members agree within a time, once nothing goes wrong
// any more, and are able to do something new.
func (c *Cluster) Settle(within time.Duration) error {
	c.Stop()
	var done bool
	var asking *quorum.Task
	agreed := func() bool {
		leader := c.Leader()
		if leader == nil {
			return false
		}
		if !done {
			if asking == nil || asking.Decided() {
				m := c.members[leader.Status().Leader]
				asking = m.node.Runtime().Go("settle", func(ctx context.Context) error {
					ctx, cancel := quorum.WithTimeout(ctx, time.Second)
					defer cancel()
					r := &request{Client: 1, Seq: uint64(c.world.Now()), Write: true, Key: 1 << 40, Value: 1}
					_, err := leader.Propose(ctx, quorum.Encode(nil, r))
					done = done || err == nil
					return err
				})
				m.node.Runtime().Post(func() {}) // have it run
			}
			return false
		}
		s := leader.Status()
		for _, id := range s.Voters {
			m := c.members[id]
			if !c.lost(id) && (!m.node.Up() || m.raft == nil || m.raft.Status().Applied != s.Last) {
				return false
			}
		}
		return true
	}
	if !c.world.RunUntil(within, agreed) {
		if err := c.world.Failed(); err != nil {
			return err
		}
		var states string
		for _, id := range c.all {
			if m := c.members[id]; m.node.Up() && m.raft != nil {
				states += fmt.Sprintf("; n%d %+v", id, m.raft.Status())
			} else {
				states += fmt.Sprintf("; n%d down", id)
			}
		}
		return fmt.Errorf("liveness: the members do not agree within %v%s", within, states)
	}
	leader := c.members[c.Leader().Status().Leader]
	for _, id := range leader.raft.Status().Voters {
		if m := c.members[id]; !c.lost(id) && !maps.Equal(leader.store.values, m.store.values) {
			return fmt.Errorf("n%d and n%d hold different values", leader.node.ID(), id)
		}
	}
	return nil
}

// lost tells whether a member stays away because its disk is damaged.
func (c *Cluster) lost(id env.NodeID) bool {
	return c.refused[id] != nil && c.members[id].raft == nil
}

// Check demands that what the clients saw is linearizable.
func (c *Cluster) Check() error {
	h := decided(c.history.Txns)
	result, err := history.CheckLinearizable(h, history.LinearOptions{})
	if err != nil {
		return err
	}
	if len(result.Anomalies) > 0 {
		return fmt.Errorf("not linearizable: %v", result.Anomalies[0])
	}
	return nil
}

// decidedFrom is the first name of the clients that decided makes up.
const decidedFrom = 1 << 30

// decided returns a history that is linearizable exactly if the one of txns is,
// and much quicker to check: in it no outcome is unknown. Each value is written
// once. A write of unknown outcome whose value nobody has read can be left out,
// because it can come last. One that was read has happened before the first such
// read was over.
func decided(txns []history.Txn) *history.History {
	type write struct {
		key   history.Key
		value history.Value
	}
	read := map[write]history.Time{} // when the first read was over
	for i := range txns {
		op := &txns[i].Ops[0]
		if op.Kind != history.OpRead || !op.Found {
			continue
		}
		w := write{op.Key, op.Value}
		if at, ok := read[w]; !ok || txns[i].Complete < at {
			read[w] = txns[i].Complete
		}
	}
	h := &history.History{Workload: history.Registers}
	for i, txn := range txns {
		if txn.Outcome == history.Unknown {
			at, ok := read[write{txn.Ops[0].Key, txn.Ops[0].Value}]
			if !ok {
				continue
			}
			if at > txn.Invoke {
				// Its client has gone on meanwhile.
				txn.Outcome, txn.Complete, txn.Client = history.OK, at, history.ClientID(decidedFrom+i)
			}
		}
		h.Txns = append(h.Txns, txn)
	}
	return h
}

// Succeeded returns how many requests were carried out.
func (c *Cluster) Succeeded() int { return len(c.Latencies) }

package raftsim

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// do runs f as a task of a member and returns its error.
func (c *Cluster) do(t *testing.T, id env.NodeID, f func(ctx context.Context, n *raft.Node) error) error {
	t.Helper()
	m := c.members[id]
	task := m.node.Runtime().Go("test", func(ctx context.Context) error {
		ctx, cancel := quorum.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return f(ctx, m.raft)
	})
	m.node.Runtime().Post(func() {})
	if !c.world.RunUntil(10*time.Second, task.Decided) {
		t.Fatal("the task does not end", c.world.Failed())
	}
	return task.Err()
}

// pass lets d pass, in which nothing goes wrong.
func (c *Cluster) pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := c.world.Run(d); err != nil {
		t.Fatal(err)
	}
}

// ready starts a cluster and waits for its leader.
func ready(t *testing.T, members, voters int, o raft.Options) *Cluster {
	t.Helper()
	w := sim.New(5, nil)
	t.Cleanup(w.Close)
	c := NewCluster(w, members, voters, o)
	c.Start()
	c.awaitLeader(t, 0)
	return c
}

// awaitLeader waits for a leader that is not the one named, and returns it.
func (c *Cluster) awaitLeader(t *testing.T, not env.NodeID) env.NodeID {
	t.Helper()
	var id env.NodeID
	if !c.world.RunUntil(10*time.Second, func() bool {
		l := c.Leader()
		if l == nil || l.Status().Commit < l.Status().Last {
			return false
		}
		id = l.Status().Leader
		return id != not
	}) {
		t.Fatal("no leader", c.world.Failed())
	}
	return id
}

func TestMembership(t *testing.T) {
	c := ready(t, 5, 3, raft.Options{SnapshotEntries: 50})
	c.AddClients(4, 4, time.Millisecond)
	c.pass(t, 2*time.Second) // so that who joins needs a snapshot
	leader := c.awaitLeader(t, 0)
	for id := env.NodeID(4); id <= 5; id++ {
		if err := c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Add(ctx, id) }); err != nil {
			t.Fatal(err)
		}
	}
	c.pass(t, time.Second)
	if s := c.members[4].raft.Status(); len(s.Voters) != 5 || s.Applied+100 < c.members[leader].raft.Status().Applied {
		t.Errorf("who joined is at %+v", s)
	}
	// Two changes at a time are refused.
	err := c.do(t, leader, func(ctx context.Context, n *raft.Node) error {
		first := quorum.Go(ctx, "first", func(ctx context.Context) error { return n.Remove(ctx, leader%5+1) })
		if err := quorum.Yield(ctx); err != nil {
			return err
		}
		second := n.Remove(ctx, (leader+1)%5+1)
		return errors.Join(first.Wait(ctx), second)
	})
	if !errors.Is(err, raft.ErrBusy) {
		t.Error(err)
	}
	// The leader removes itself; another takes over.
	if err := c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Remove(ctx, leader) }); err != nil {
		t.Error(err)
	}
	next := c.awaitLeader(t, leader)
	if s := c.members[next].raft.Status(); slices.Contains(s.Voters, leader) {
		t.Errorf("%+v", s)
	}
	if err := c.Settle(5 * time.Second); err != nil {
		t.Error(err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestTransfer(t *testing.T) {
	c := ready(t, 3, 3, raft.Options{})
	for range 6 {
		leader := c.awaitLeader(t, 0)
		to := leader%3 + 1
		before := c.world.Now()
		if err := c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Transfer(ctx, to) }); err != nil {
			t.Fatal(err)
		}
		if next := c.awaitLeader(t, leader); next != to {
			t.Errorf("leadership went to n%d, not n%d", next, to)
		}
		if took := c.world.Now() - before; took > 100*time.Millisecond {
			t.Errorf("it took %v, as if nobody had been told", took)
		}
	}
	leader := c.awaitLeader(t, 0)
	err := c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Transfer(ctx, 9) })
	if !errors.Is(err, quorum.ErrUnknownNode) {
		t.Error(err)
	}
	// To one that is down: the leader goes on.
	c.world.Node(leader%3 + 1).Crash(false)
	err = c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Transfer(ctx, leader%3+1) })
	if err == nil {
		t.Error("leadership went to a node that is down")
	}
	if s := c.members[leader].raft.Status(); s.Role != raft.Leader {
		t.Errorf("%+v", s)
	}
}

// A leader that is cut off neither reads nor writes, and steps down.
func TestLeaderCutOff(t *testing.T) {
	c := ready(t, 3, 3, raft.Options{})
	old := c.awaitLeader(t, 0)
	rest := slices.DeleteFunc([]env.NodeID{1, 2, 3}, func(id env.NodeID) bool { return id == old })
	c.world.Partition([]env.NodeID{old}, rest)
	if err := c.do(t, old, func(ctx context.Context, n *raft.Node) error { return n.Read(ctx) }); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("a read: %v", err)
	}
	if s := c.members[old].raft.Status(); s.Role == raft.Leader {
		t.Errorf("it still leads: %+v", s)
	}
	next := c.awaitLeader(t, old)
	write := &registers.Request{Client: 1, Seq: 1, Write: true, Key: 1, Value: 1}
	err := c.do(t, next, func(ctx context.Context, n *raft.Node) error {
		_, err := n.Propose(ctx, quorum.Encode(nil, write))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	term := c.members[next].raft.Status().Term
	c.world.Heal()
	c.pass(t, 5*time.Second)
	// Thanks to pre-votes the one that comes back disturbs nobody.
	if s := c.members[next].raft.Status(); s.Role != raft.Leader || s.Term != term {
		t.Errorf("%+v, term %d before", s, term)
	}
}

// A damaged journal keeps its node away; the others go on.
func TestDamagedJournal(t *testing.T) {
	c := ready(t, 3, 3, raft.Options{})
	c.AddClients(4, 4, time.Millisecond)
	c.pass(t, time.Second)
	leader := c.awaitLeader(t, 0)
	victim := leader%3 + 1
	n := c.world.Node(victim)
	n.Crash(false)
	if err := n.Files().FlipBit(journalOf(n), 200, 3); err != nil {
		t.Fatal(err)
	}
	n.Start()
	c.pass(t, time.Second)
	if n.Up() || c.refused[victim] == nil {
		t.Errorf("the node works with a damaged journal: %v", c.refused[victim])
	}
	before := c.Succeeded()
	c.pass(t, time.Second)
	if c.Succeeded() < before+100 {
		t.Error("the others do not go on")
	}
	c.Stop()
	c.pass(t, 5*time.Second)
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// One seed is one run of the whole protocol.
func TestRunsAreTheSame(t *testing.T) {
	for seed := uint64(2); seed < 3+2/slowdown; seed++ {
		a, b := sim.Replay(Scenarios()[0], seed, nil), sim.Replay(Scenarios()[0], seed, nil)
		if a != b {
			t.Errorf("%+v and %+v", a, b)
		}
	}
}

// A candidate does not lead a term that its disk does not have yet, also if the
// others are a majority: after a power loss it would lead that term again.
func TestTheTermIsOnTheDiskBeforeItIsLed(t *testing.T) {
	c := ready(t, 5, 5, raft.Options{})
	leader := c.awaitLeader(t, 0)
	slow := leader%5 + 1
	c.members[slow].node.Disk.SyncDelay = time.Minute
	_ = c.do(t, leader, func(ctx context.Context, n *raft.Node) error { return n.Transfer(ctx, slow) })
	for range 50 {
		c.pass(t, 100*time.Millisecond)
		if s := c.members[slow].raft.Status(); s.Role == raft.Leader {
			t.Fatalf("n%d leads term %d, which is not on its disk", slow, s.Term)
		}
	}
	c.awaitLeader(t, slow)
}

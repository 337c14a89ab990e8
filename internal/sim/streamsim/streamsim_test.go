package streamsim

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// seedCount is how many seeds of each scenario TestFaults runs.
var seedCount = flag.Uint64("seeds", 24/slowdown, "how many seeds to run")

func TestFaults(t *testing.T) {
	seeds := *seedCount
	if testing.Short() {
		seeds = min(seeds, 4)
	}
	for _, s := range Scenarios() {
		for seed := uint64(2); seed < 2+seeds; seed++ {
			r := sim.Replay(s, seed, nil)
			if r.Err == nil {
				continue
			}
			var out bytes.Buffer
			sim.Replay(s, seed, &out)
			lines := strings.Split(out.String(), "\n")
			t.Fatalf("seed %d: %v\ngo run ./cmd/godwit sim --scenario %s --seed %d\n%s", seed, r.Err, s.Name, seed, strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	}
}

// A run is the same each time.
func TestDeterministic(t *testing.T) {
	s := Scenarios()[1]
	if a, b := sim.Replay(s, 3, nil), sim.Replay(s, 3, nil); a.Digest != b.Digest || a.Err != nil {
		t.Errorf("digests %x and %x, %v", a.Digest, b.Digest, a.Err)
	}
}

// started returns a group of three that has a leader.
func started(t *testing.T, o stream.Options) (*sim.World, *Cluster) {
	t.Helper()
	w := sim.New(1, nil)
	t.Cleanup(w.Close)
	c := NewCluster(w, 3, 3, o)
	c.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > 0 })
	return w, c
}

// run lets time pass until a condition holds.
func run(t *testing.T, w *sim.World, most time.Duration, until func() bool) time.Duration {
	t.Helper()
	from := w.Now()
	if !w.RunUntil(most, until) {
		t.Fatal("it does not come to that", w.Failed())
	}
	return w.Now() - from
}

// pass lets d pass.
func pass(t *testing.T, w *sim.World, d time.Duration) {
	t.Helper()
	if err := w.Run(d); err != nil {
		t.Fatal(err)
	}
}

func TestHealthy(t *testing.T) {
	w, c := started(t, stream.Options{})
	pass(t, w, 2*time.Second)
	if err := c.Settle(time.Second); err != nil {
		t.Fatal(err)
	}
	if c.Released() < 300 || len(c.leaders) != 1 || c.confirms < 50 {
		t.Errorf("%d released, %d epochs with a leader, %d confirmations", c.Released(), len(c.leaders), c.confirms)
	}
}

// Followers whose disks are slow still hear that their leader is there, also when they
// cannot take more rounds: nobody campaigns.
func TestSlowDisksDeposeNobody(t *testing.T) {
	w, c := started(t, stream.Options{WindowRequestsMax: 2})
	l := c.leader()
	for _, m := range c.members {
		if m != l {
			m.node.Disk.SyncDelay = 240 * time.Millisecond
		}
	}
	epoch, before := l.group.Status().Epoch, c.Released()
	pass(t, w, 20*time.Second)
	if s := l.group.Status(); s.Role != stream.Leader || s.Epoch != epoch {
		t.Errorf("epoch %d, %v, after epoch %d", s.Epoch, s.Role, epoch)
	}
	if c.Released() == before {
		t.Error("nothing was released")
	}
}

// Followers behind narrow links still hear in time that their leader is there, and it of
// them, while it has more for them than the links carry: nobody campaigns, and nothing is
// sent twice.
func TestNarrowLinksDeposeNobody(t *testing.T) {
	const bytesPerSecond = 60_000
	w, c := started(t, stream.Options{WindowBytesMax: 64 << 10, PieceBytesMax: 2 << 10, BacklogBytesMax: 256 << 10})
	l := c.leader()
	for _, m := range c.members {
		if m != l {
			w.Link(l.node.ID(), m.node.ID()).BytesPerSecond = bytesPerSecond
		}
	}
	c.Pause = 500 * time.Microsecond
	epoch, before := l.group.Status().Epoch, c.Released()
	pass(t, w, 20*time.Second)
	if s := l.group.Status(); s.Role != stream.Leader || s.Epoch != epoch {
		t.Errorf("epoch %d, %v, after epoch %d", s.Epoch, s.Role, epoch)
	}
	if c.Released() == before {
		t.Error("nothing was released")
	}
}

// released waits until another leader than the one that is gone has released something.
func (c *Cluster) succeeds(t *testing.T, gone *member) time.Duration {
	t.Helper()
	var before int
	return run(t, c.world, time.Minute, func() bool {
		l := c.leader()
		if l == nil || l == gone {
			before = c.Released()
			return false
		}
		return c.Released() > before
	})
}

// The end of a leader's process is noticed at once, by its connections.
func TestClosedConnection(t *testing.T) {
	w, c := started(t, stream.Options{ElectionTimeout: 10 * time.Second, Heartbeat: 50 * time.Millisecond})
	var took []time.Duration
	for range 9 {
		pass(t, w, time.Second)
		l := c.leader()
		l.node.Crash(false)
		took = append(took, c.succeeds(t, l))
		l.node.Start()
	}
	slices.Sort(took)
	if took[len(took)/2] > 100*time.Millisecond || took[len(took)-1] > 300*time.Millisecond { // two may campaign at one time
		t.Errorf("the next leader releases after %v", took)
	}
}

// A silent leader is noticed by what is usual for it.
func TestSilentLeader(t *testing.T) {
	w, c := started(t, stream.Options{})
	for range 5 {
		pass(t, w, time.Second)
		l := c.leader()
		l.node.Pause(5 * time.Second)
		if d := c.succeeds(t, l); d > 800*time.Millisecond {
			t.Errorf("the next leader releases after %v", d)
		}
		pass(t, w, 5*time.Second)
	}
}

// A stopped follower costs the leader a bound of memory, and nobody any time; when it is
// back it catches up from the leader's disk.
func TestStoppedFollower(t *testing.T) {
	const tailBytesMax = 16 << 10
	w, c := started(t, stream.Options{TailBytesMax: tailBytesMax})
	c.CheckpointRounds = 1 << 20 // never
	l := c.leader()
	stopped := w.Node(1 + l.node.ID()%3)
	before := c.Released()
	pass(t, w, 5*time.Second)
	healthy := c.Released() - before
	stopped.Pause(20 * time.Second)
	before = c.Released()
	for range 20 {
		pass(t, w, time.Second)
		if s := l.group.Status(); s.TailBytes > tailBytesMax+8<<10 {
			t.Fatalf("%d bytes of rounds in memory", s.TailBytes)
		}
	}
	if slow := c.Released() - before; c.leader() != l || float64(slow) < 0.95*float64(4*healthy) {
		t.Errorf("%d released beside the stopped follower, %d in a quarter of the time without", slow, healthy)
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// What is not durable is bounded: without a majority the leader refuses rounds, and takes
// them again when it is back.
func TestBacklog(t *testing.T) {
	const backlogBytesMax = 4 << 10
	w, c := started(t, stream.Options{BacklogBytesMax: backlogBytesMax, ElectionTimeout: 10 * time.Second})
	l := c.leader()
	for _, n := range w.Nodes() {
		if n != l.node {
			n.Pause(3 * time.Second)
		}
	}
	refused := false
	for range 20 {
		pass(t, w, 100*time.Millisecond)
		if s := l.group.Status(); s.BacklogBytes > backlogBytesMax {
			t.Fatalf("%d bytes are not durable", s.BacklogBytes)
		}
		l.node.Runtime().Go("append", func(context.Context) error {
			_, err := l.group.Append(wal.Round{Kind: wal.RoundData, Watermark: 1 << 40, Payload: make([]byte, backlogBytesMax)})
			refused = refused || errors.Is(err, quorum.ErrOverloaded)
			return err
		})
	}
	if !refused || l.group.Status().BacklogBytes < backlogBytesMax/2 {
		t.Errorf("refused: %v, %+v", refused, l.group.Status())
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// The preferred member gets to lead.
func TestPreferred(t *testing.T) {
	w, c := started(t, stream.Options{Preferred: 2})
	run(t, w, 5*time.Second, func() bool { return c.leader() == c.members[2] })
	w.Node(2).Crash(false)
	c.succeeds(t, c.members[2])
	w.Node(2).Start()
	run(t, w, 10*time.Second, func() bool { return c.leader() == c.members[2] })
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// Members come and go while the group works, the leader too.
// A preferred member that cannot win is asked more and more rarely: nobody leads meanwhile.
func TestPreferredCannotWin(t *testing.T) {
	w, c := started(t, stream.Options{Preferred: 1, ElectionTimeout: 100 * time.Millisecond})
	run(t, w, 10*time.Second, func() bool { return c.leader() == c.members[1] })
	block := func(blocked bool) {
		for _, other := range c.all[1:] {
			w.Block(1, other, blocked)
			w.Block(other, 1, blocked)
		}
	}
	block(true)
	w.Node(1).Crash(true)
	c.succeeds(t, c.members[1])
	pass(t, w, 4*time.Second)
	w.Node(1).Start()
	pass(t, w, 300*time.Millisecond)
	block(false)
	// The others reach it soon; its own attempts to connect hang for longer.
	before := c.leader().group.Status().Epoch
	run(t, w, 10*time.Second, func() bool { return c.leader() == c.members[1] })
	if after := c.leader().group.Status().Epoch; after > before+20 {
		t.Errorf("%d epochs until it leads", after-before)
	}
}

// A member that is asked to lead campaigns even if it hears from the leader right after that.
func TestTransferToOneThatWasPaused(t *testing.T) {
	w, c := started(t, stream.Options{})
	for range 10 {
		run(t, w, 10*time.Second, func() bool { return c.leader() != nil && c.leader().group.Successor() != 0 })
		l := c.leader()
		next := c.members[l.group.Successor()]
		task := l.node.Runtime().Go("transfer", func(ctx context.Context) error { return l.group.Transfer(ctx, next.node.ID()) })
		l.node.Runtime().Post(func() {})
		pass(t, w, time.Millisecond)
		next.node.Pause(30 * time.Millisecond) // what comes meanwhile it gets at once
		run(t, w, time.Second, task.Decided)
		if err := task.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A member that has heard of an epoch before it is asked for its vote has still got one, which a candidate may need.
func TestTransferThatIsHeardOfFirst(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 4, 4, stream.Options{})
	c.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > 0 })
	l := c.leader()
	next := c.members[l.group.Successor()]
	down := slices.IndexFunc(c.all, func(id env.NodeID) bool { return id != l.node.ID() && id != next.node.ID() })
	w.Node(c.all[down]).Crash(true)
	// What the candidate says comes late to the leader, which hears of the epoch from the member that has voted.
	w.Link(next.node.ID(), l.node.ID()).DelayMin = 20 * time.Millisecond
	task := l.node.Runtime().Go("transfer", func(ctx context.Context) error { return l.group.Transfer(ctx, next.node.ID()) })
	l.node.Runtime().Post(func() {})
	run(t, w, time.Second, func() bool { return c.leader() != l && c.leader() != nil })
	if got := c.leader(); got != next || task.Err() != nil {
		t.Errorf("node %d leads, not %d which was asked to: %v", got.node.ID(), next.node.ID(), task.Err())
	}
}

func TestMembership(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 4, 3, stream.Options{})
	c.CheckpointRounds = 64
	c.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > 300 })
	change(t, c, quorum.ErrUnknownNode, func(ctx context.Context, g *stream.Group) error { return g.Promote(ctx, 4) })
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.AddLearner(ctx, 4) })
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.Promote(ctx, 4) })
	if s := c.members[4].group.Status(); s.First == 1 {
		t.Errorf("it has the log from its beginning, and not a snapshot: %+v", s)
	}
	first := c.leader()
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.Remove(ctx, first.node.ID()) })
	c.succeeds(t, first)
	if s := c.leader().group.Status(); len(s.Members.Voters) != 3 {
		t.Errorf("%+v", s)
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// A member that comes back with an empty disk does not count, for what was acknowledged is
// not there: with one that has never had it, it elects nobody. It is removed and added again.
func TestLostDisk(t *testing.T) {
	w, c := started(t, stream.Options{})
	leader := c.leader()
	var others []env.NodeID
	for _, id := range c.all {
		if id != leader.node.ID() {
			others = append(others, id)
		}
	}
	with, without := others[0], others[1]
	pass(t, w, time.Second)
	w.Partition([]env.NodeID{leader.node.ID(), with}, []env.NodeID{without})
	before := c.Released()
	run(t, w, 10*time.Second, func() bool { return c.Released() > before+20 }) // only two have it
	leader.node.Crash(true)
	w.Heal()
	before = c.Released()
	c.replaceDisk(with)
	if w.RunUntil(30*time.Second, func() bool { return c.Released() > before || c.leader() != nil }) {
		t.Fatalf("the member with the empty disk counts: %+v", c.leader().group.Status())
	}
	if !c.members[with].group.Status().OtherFolder {
		t.Error("it does not say that it has another folder")
	}
	leader.node.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > before })
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.Remove(ctx, with) })
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.AddLearner(ctx, with) })
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.Promote(ctx, with) })
	c.world.Node(without).Crash(true)
	before = c.Released()
	run(t, w, 10*time.Second, func() bool { return c.Released() > before }) // it counts now
	c.world.Node(without).Start()
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if c.members[with].group.Status().OtherFolder {
		t.Error("it still says that it has another folder")
	}
}

// change has the leader change the members.
func change(t *testing.T, c *Cluster, want error, f func(ctx context.Context, g *stream.Group) error) {
	t.Helper()
	var err error
	for range 50 { // a learner catches up meanwhile
		l := c.leader()
		task := l.node.Runtime().Go("change", func(ctx context.Context) error { return f(ctx, l.group) })
		l.node.Runtime().Post(func() {})
		run(t, c.world, time.Second, task.Decided)
		if err = task.Err(); !errors.Is(err, stream.ErrBusy) {
			break
		}
		pass(t, c.world, 20*time.Millisecond)
	}
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

// A leader does not leave before those who stay could elect another: with Memory a member that has
// restarted does not vote before a leader has said what it may have forgotten.
func TestLeaderWaitsForVoters(t *testing.T) {
	w, c := started(t, stream.Options{Durability: stream.Memory})
	pass(t, w, time.Second)
	first := c.leader()
	n := c.members[1+first.node.ID()%3].node
	n.Crash(true)
	n.Start()
	run(t, w, 10*time.Second, func() bool { return c.members[n.ID()].works() })
	if !c.members[n.ID()].group.Status().Recovering {
		t.Fatal("it votes at once")
	}
	change(t, c, nil, func(ctx context.Context, g *stream.Group) error { return g.Remove(ctx, first.node.ID()) })
	c.succeeds(t, first)
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// The waits of a run with slow members show no slowness that propagates.
func TestNoSlownessPropagates(t *testing.T) {
	for i, f := range sim.SlowFaults() {
		rec := quorum.NewRecorder()
		w := sim.New(2, nil)
		c := NewCluster(w, 3, 3, stream.Options{TailBytesMax: 1 << 10})
		c.Tracer = rec
		c.Start()
		run(t, w, 10*time.Second, func() bool { return c.Released() > 0 })
		f.Inflict(w.Node(1 + (c.leader().node.ID()+quorum.NodeID(i))%3))
		pass(t, w, 500*time.Millisecond)
		w.Close()
		if len(rec.Waits()) < 15 {
			t.Errorf("%s: only %d kinds of waits were seen", f.Name, len(rec.Waits()))
		}
		for _, s := range quorum.FailSlow(rec.Waits(), Excuses()...) {
			t.Errorf("%s: %v", f.Name, s)
		}
	}
}

// A member that retires before it restarts votes at once though it acknowledges what its
// disk does not have yet; one that is killed does not.
func TestRetire(t *testing.T) {
	w, c := started(t, stream.Options{Durability: stream.Memory})
	for _, retires := range []bool{true, false, true} {
		pass(t, w, time.Second)
		m := c.members[1+c.leader().node.ID()%3]
		n := m.node
		n.Disk.SyncDelay = 150 * time.Millisecond
		pass(t, w, 100*time.Millisecond)
		last := m.group.Status().Last
		if retires {
			task := n.Runtime().Go("retire", m.group.Retire)
			n.Runtime().Post(func() {})
			run(t, w, 10*time.Second, task.Decided)
		}
		n.Crash(true)
		n.Disk.SyncDelay = 0
		n.Start()
		run(t, w, 10*time.Second, func() bool { return c.members[n.ID()].works() })
		s := c.members[n.ID()].group.Status()
		if s.Recovering == retires || (s.Last >= last) != retires {
			t.Errorf("retires: %t; then recovering: %t, with %d rounds of %d", retires, s.Recovering, s.Last, last)
		}
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}

// What a member has acknowledged before its disk had it may be gone after a crash, whatever its durability is
// then: it does not vote before it has caught up. From then on it loses nothing, and votes after a crash.
func TestAnotherDurabilityForgetsNothing(t *testing.T) {
	w, c := started(t, stream.Options{Durability: stream.Memory})
	n := w.Node(1)
	for i, then := range []struct {
		durability stream.Durability
		recovers   bool
	}{{stream.Memory, true}, {stream.Disk, true}, {stream.Disk, false}, {stream.Memory, false}, {stream.Memory, true}} {
		pass(t, w, time.Second)
		c.Stream.Durability = then.durability
		n.Crash(true)
		n.Start()
		run(t, w, 10*time.Second, func() bool { return c.members[n.ID()].works() })
		if recovers := c.members[n.ID()].group.Status().Recovering; recovers != then.recovers {
			t.Errorf("start %d: it recovers: %t", i, recovers)
		}
		run(t, w, 10*time.Second, func() bool { return !c.members[n.ID()].group.Status().Recovering })
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// Nobody votes who may have forgotten something; if those are a majority, somebody has to say that what is lost
// is lost.
func TestGiveUpLost(t *testing.T) {
	w, c := started(t, stream.Options{Durability: stream.Memory})
	restart := func() {
		for _, n := range w.Nodes() {
			n.Crash(true)
			n.Start()
		}
	}
	c.stopped = true
	pass(t, w, 2*time.Second) // by chance nothing is lost
	c.stopped = false
	restart()
	pass(t, w, time.Minute)
	if c.leader() != nil {
		t.Error("those who may have forgotten something have elected a leader")
	}
	c.Stream.GiveUpLost = true
	restart()
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}

// filled fills a member's disk.
func (c *Cluster) filled(t *testing.T, m *member) {
	t.Helper()
	m.node.FillDisk(0)
	run(t, c.world, 10*time.Second, func() bool { return m.group.Status().Full })
}

// A member whose disk is full votes: what it promises needs no room.
func TestFullDiskVotes(t *testing.T) {
	w, c := started(t, stream.Options{})
	first := c.leader()
	full := c.members[1+first.node.ID()%3]
	c.filled(t, full)
	first.node.Crash(true)
	run(t, w, 10*time.Second, func() bool { l := c.leader(); return l != nil && l != first && l != full })
	full.node.FillDisk(-1)
	first.node.Start()
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}

// A leader whose disk is full gives the lead away, as what may wait for the disk is bounded, and is not elected
// before it has room.
func TestFullDiskDoesNotLead(t *testing.T) {
	w, c := started(t, stream.Options{BacklogBytesMax: 64 << 10})
	first := c.leader()
	c.filled(t, first)
	run(t, w, 10*time.Second, func() bool { l := c.leader(); return l != nil && l != first })
	before := c.Released()
	pass(t, w, 10*time.Second)
	if c.Released() < before+1000 || c.leader() == first {
		t.Errorf("%d are released with one full disk", c.Released()-before)
	}
	first.node.FillDisk(-1)
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}

// A member that has to recover before it votes asks again soon if its question is lost.
func TestLostQuestion(t *testing.T) {
	w, c := started(t, stream.Options{Durability: stream.Memory})
	pass(t, w, time.Second)
	n := c.members[1+c.leader().node.ID()%3].node
	timeout := 500 * time.Millisecond
	n.Crash(true)
	n.Start()
	m := func() *member { return c.members[n.ID()] }
	run(t, w, 10*time.Second, func() bool { return m().works() && m().group.Status().Leader != 0 })
	if !m().group.Status().Recovering {
		t.Fatal("it votes at once")
	}
	w.SetLinks(sim.Link{Loss: 1})
	pass(t, w, timeout/8)
	w.SetLinks(sim.Link{})
	if took := run(t, w, time.Minute, func() bool { return !m().group.Status().Recovering }); took > 5*timeout {
		t.Errorf("it votes after %v", took)
	}
}

// Nobody waits for the disk with Memory: many rounds are one write, and more than that one
// sync, beside those of new segments. All are there in the end.
func TestLazyDisk(t *testing.T) {
	for _, d := range []stream.Durability{stream.Disk, stream.Memory} {
		w, c := started(t, stream.Options{Durability: d})
		l := c.leader()
		count := func() (rounds, writes, syncs int) {
			f := l.node.Files()
			return int(l.group.Status().Last), f.Count(faultfs.OpWrite), f.Count(faultfs.OpSync)
		}
		rounds, writes, syncs := count()
		pass(t, w, 2*time.Second)
		r, wr, s := count()
		rounds, writes, syncs = r-rounds, wr-writes, s-syncs
		if lazy := d == stream.Memory; rounds < 200 || lazy != (writes < rounds/2) || lazy != (syncs < rounds/2) {
			t.Errorf("durability %d: %d rounds, %d writes, %d syncs", d, rounds, writes, syncs)
		}
		if err := c.Settle(time.Second); err != nil {
			t.Error(err)
		}
		pass(t, w, time.Second) // it has synced the rest
		last := l.group.Status().Last
		l.node.Crash(true)
		disk, err := openDisk(l.node.Files(), rand.New(rand.NewPCG(1, 2)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := disk.tape.Read(last, 1); err != nil || len(read) != 1 {
			t.Errorf("durability %d: the disk does not have the last round, %d: %v", d, last, err)
		}
	}
}

// sector is what a round has of a segment at least.
const sector = 4096

// damagedBlock is where a round of a segment is: these are small, and each has a block.
func damagedBlock(i int) int64 { return int64(i)*sector + 20 }

// stopped returns a group of three that has some log and whose nodes are all down.
func stopped(t *testing.T) (*sim.World, *Cluster) {
	t.Helper()
	w, c := started(t, stream.Options{})
	c.CheckpointRounds = 1 << 20 // never
	pass(t, w, 2*time.Second)
	run(t, w, time.Second, func() bool { // until the newest segments are in use
		return !slices.ContainsFunc(w.Nodes(), func(n *sim.Node) bool {
			b, err := n.Files().ReadFile(segment(t, n, true))
			return err != nil || b[sector] == 0
		})
	})
	for _, n := range w.Nodes() {
		n.Crash(false)
	}
	return w, c
}

// segment returns the name of a member's oldest segment, or the newest one.
func segment(t *testing.T, n *sim.Node, newest bool) string {
	t.Helper()
	names, err := n.Files().List(filepath.Join(folder, segmentDir))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i, name := range names {
		b, err := n.Files().ReadFile(filepath.Join(folder, segmentDir, name))
		if newest && err == nil && strings.HasSuffix(name, ".seg") && b[0] != 0 {
			at = i
		}
	}
	return filepath.Join(folder, segmentDir, names[at])
}

func flip(t *testing.T, n *sim.Node, name string, at int64) {
	t.Helper()
	if err := n.Files().FlipBit(name, at, 3); err != nil {
		t.Fatal(err)
	}
}

// Two members that are damaged in different places repair each other, though there is no
// third one.
func TestDamagedInDifferentPlaces(t *testing.T) {
	w, c := stopped(t)
	flip(t, w.Node(1), segment(t, w.Node(1), false), damagedBlock(3))
	flip(t, w.Node(2), segment(t, w.Node(2), false), damagedBlock(6))
	w.Node(1).Start()
	w.Node(2).Start()
	before := c.Released()
	run(t, w, 10*time.Second, func() bool { return c.Released() > before })
	w.Node(3).Start()
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// A majority that has lost the same rounds, or the ends of its logs, elects nobody and says
// what is lost. Who has them brings back what can be brought back.
func TestDamagedMajority(t *testing.T) {
	for _, ends := range []bool{false, true} {
		w, c := stopped(t)
		for id := range quorum.NodeID(2) {
			n := w.Node(1 + id)
			if name := segment(t, n, ends); !ends {
				flip(t, n, name, damagedBlock(4))
			} else if err := n.Files().Remove(name); err != nil {
				t.Fatal(err)
			}
			n.Start()
		}
		pass(t, w, 20*time.Second)
		for id := range quorum.NodeID(2) {
			s := c.members[1+id].group.Status()
			var damage *stream.DamagedError
			var place *dberr.CorruptionError
			if !errors.As(s.Damaged, &damage) || !errors.As(s.Damaged, &place) || !errors.Is(s.Damaged, stream.ErrDamaged) {
				t.Fatalf("%+v", s)
			}
			if damage.Node != 1+id || damage.From == 0 || (damage.To == 0) != ends || !strings.HasPrefix(place.File, folder) || damage.Others == nil ||
				(damage.Before == hlc.Max) != ends || damage.After > damage.Before {
				t.Errorf("%v, in %s", damage, place.File)
			}
		}
		if l := c.leader(); l != nil {
			t.Fatalf("n%d leads", l.node.ID())
		}
		w.Node(3).Start()
		if !ends {
			if err := c.Settle(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			continue
		}
		pass(t, w, 20*time.Second)
		if l := c.leader(); l != nil {
			t.Fatalf("n%d leads, two of three have lost what they may have acknowledged", l.node.ID())
		}
	}
}

// A member that finds out while it works that it can not read a round has it from another.
func TestDamagedWhileRunning(t *testing.T) {
	var out bytes.Buffer
	w := sim.New(1, &out)
	defer w.Close()
	c := NewCluster(w, 3, 3, stream.Options{TailBytesMax: 1 << 10})
	c.CheckpointRounds = 1 << 20
	c.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > 100 })
	l := c.leader()
	slow := w.Node(1 + l.node.ID()%3)
	slow.Crash(false)
	pass(t, w, time.Second)
	name := segment(t, l.node, true)
	for at := int64(1); at < segmentBytes/sector-1; at++ {
		flip(t, l.node, name, damagedBlock(int(at))+70) // in the payload, or behind it
	}
	pass(t, w, time.Second)
	slow.Start()
	if err := c.Settle(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), " is repaired"); n == 0 {
		t.Error("nothing was repaired")
	}
}

// Nobody else has what the only member of a group has lost: it does not go on.
func TestDamagedAlone(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 1, 1, stream.Options{})
	c.Start()
	run(t, w, 10*time.Second, func() bool { return c.Released() > 100 })
	w.Node(1).Crash(false)
	flip(t, w.Node(1), segment(t, w.Node(1), false), damagedBlock(3))
	w.Node(1).Start()
	if err := w.Run(5 * time.Second); err == nil || !strings.Contains(err.Error(), "can not be read") {
		t.Fatal(err)
	}
}

// With Memory a new group gets a leader whenever one of its members has lost its power: while
// all have to vote, one that is back votes.
func TestNewGroupWithoutOne(t *testing.T) {
	for crash := time.Duration(0); crash < 500*time.Millisecond; crash += 10 * time.Millisecond {
		for id := env.NodeID(1); id <= 3; id++ {
			w := sim.New(uint64(id), nil)
			c := NewCluster(w, 3, 3, stream.Options{Durability: stream.Memory})
			c.Start()
			w.SetLinks(sim.Link{DelayMin: 10 * time.Millisecond})
			pass(t, w, crash)
			w.Node(id).Crash(true)
			w.Node(id).Start()
			if !w.RunUntil(30*time.Second, func() bool { return c.Released() > 10 }) {
				t.Errorf("n%d is gone for a moment after %v, and then: %v%s", id, crash, w.Failed(), c.describe())
			}
			w.Close()
		}
	}
}

// The first leader loses its disk before anybody has heard that it leads, and comes back under its name:
// it does not win the same epoch again, whose rounds of before may still be on their way.
func TestFirstLeaderLosesItsDisk(t *testing.T) {
	for seed := range uint64(20) {
		w := sim.New(seed, nil)
		c := NewCluster(w, 3, 3, stream.Options{})
		c.Start()
		w.SetLinks(sim.Link{DelayMin: 10 * time.Millisecond})
		run(t, w, 10*time.Second, func() bool { return len(c.leaders) > 0 })
		id := c.leader().node.ID()
		w.Partition([]env.NodeID{id}, slices.DeleteFunc(slices.Clone(c.all), func(other env.NodeID) bool { return other == id }))
		c.replaceDisk(id)
		pass(t, w, 20*time.Millisecond)
		w.Heal()
		if !w.RunUntil(30*time.Second, func() bool { return c.Released() > 10 }) {
			t.Errorf("seed %d: %v%s", seed, w.Failed(), c.describe())
		}
		w.Close()
	}
}

// A snapshot of a later epoch than the member knows ends the earlier ones: their leaders' rounds are
// none behind it (seed 100244 of streams).
func TestSnapshotOfALaterEpoch(t *testing.T) {
	w, c := started(t, stream.Options{})
	m := c.members[1]
	w.Partition([]env.NodeID{1}, []env.NodeID{2, 3})
	epoch := m.group.Status().Epoch + 3
	s := m.state.clone()
	s.number, s.epoch = 1000, epoch
	from := &checkpoint{s, m.group.Status().Members}
	m.state = s
	task := m.node.Runtime().Go("install", func(ctx context.Context) error { return m.group.Install(ctx, from.base(), from.members) })
	m.node.Runtime().Post(func() {})
	run(t, w, 10*time.Second, task.Decided)
	if got := m.group.Status().Epoch; got != epoch || task.Err() != nil {
		t.Errorf("in epoch %d after a snapshot of epoch %d: %v", got, epoch, task.Err())
	}
}

// A member that loses its power while it retires votes at once afterwards only if its disk has
// all that it has acknowledged.
func TestKilledWhileItRetires(t *testing.T) {
	for after := time.Duration(0); after < 400*time.Millisecond; after += 10 * min(slowdown, 5) * time.Millisecond {
		w, c := started(t, stream.Options{Durability: stream.Memory})
		pass(t, w, 500*time.Millisecond)
		m := c.members[1+c.leader().node.ID()%3]
		n := m.node
		n.Disk.SyncDelay, n.Disk.WriteDelay = 50*time.Millisecond, 5*time.Millisecond
		pass(t, w, 200*time.Millisecond)
		last := m.group.Status().Last
		n.Runtime().Go("retire", m.group.Retire)
		n.Runtime().Post(func() {})
		pass(t, w, after)
		n.Crash(true)
		n.Disk.SyncDelay, n.Disk.WriteDelay = 0, 0
		n.Start()
		run(t, w, 10*time.Second, func() bool { return c.members[n.ID()].works() })
		if s := c.members[n.ID()].group.Status(); !s.Recovering && s.Last < last {
			t.Errorf("after %v it votes, with %d rounds of %d", after, s.Last, last)
		}
		w.Close()
	}
}

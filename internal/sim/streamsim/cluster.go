package streamsim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Cluster is a replica group in a World, and what is known of all its members.
type Cluster struct {
	Stream  stream.Options
	Network quorum.Options
	Tracer  quorum.Tracer // of the members; nil for none
	// Streams and Keys are how many each leader has; Pause is how long it rests
	// between two rounds, on average.
	Streams, Keys int
	Pause         time.Duration
	// CheckpointRounds is after how many rounds a member writes a checkpoint.
	CheckpointRounds wal.RoundNumber

	world   *sim.World
	all     []env.NodeID // members that there ever are
	first   []env.NodeID // voters at the beginning
	members map[env.NodeID]*member
	// checkpoints are what members have on their disks beside the tape.
	checkpoints map[env.NodeID]*checkpoint
	stopped     bool       // no more transactions
	lost        env.NodeID // whose disk was replaced, until it is a voter again; or 0
	spared      bool       // from losing what they have in memory
	damages     bool       // take what is on disks, too
	hurts       int
	retiring    bool // one does, and loses its power soon
	forgetting  bool // one is to lose its power soon
	changing    int  // changes of membership or leader under way
	ids         uint64

	leaders   map[wal.Epoch]env.NodeID
	log       []uint64 // hashes of the durable rounds, by number
	states    []uint64 // and of what comes of them
	released  map[uint64]release
	reads     map[uint64]uint64 // by all that were executed
	finals    map[wal.Epoch]hlc.Timestamp
	announced map[wal.Epoch]hlc.Timestamp // the highest watermarks
	durable   wal.RoundNumber             // the highest that a release rests on
	confirms  int
}

// checkpoint is what comes of the rounds up to one, and who the members are then.
type checkpoint struct {
	*state
	members stream.Members
}

// base is what the log goes on behind.
func (c *checkpoint) base() wal.Base {
	return wal.Base{Number: c.number, Epoch: c.epoch, Watermark: c.watermark, Last: c.last}
}

// NewCluster adds members. Of those, voters vote from the beginning.
func NewCluster(w *sim.World, members, voters int, o stream.Options) *Cluster {
	c := &Cluster{Stream: o, Streams: 3, Keys: 3, Pause: 5 * time.Millisecond, CheckpointRounds: 1024, world: w, members: map[env.NodeID]*member{}, checkpoints: map[env.NodeID]*checkpoint{},
		leaders: map[wal.Epoch]env.NodeID{}, log: []uint64{0}, states: []uint64{0}, released: map[uint64]release{}, reads: map[uint64]uint64{},
		finals: map[wal.Epoch]hlc.Timestamp{}, announced: map[wal.Epoch]hlc.Timestamp{}}
	for i := range members {
		c.all = append(c.all, env.NodeID(i+1))
	}
	c.first = slices.Clone(c.all[:voters])
	return c
}

// Start starts the members.
func (c *Cluster) Start() {
	for _, id := range c.all {
		c.world.AddNode(id, c.boot).Start()
	}
}

// Released returns how many transactions were released.
func (c *Cluster) Released() int { return len(c.released) }

// leader returns the member that leads in the latest epoch, or nil.
func (c *Cluster) leader() *member {
	var leader *member
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.works() || m.group.Status().Role != stream.Leader {
			continue
		}
		if leader == nil || m.group.Status().Epoch > leader.group.Status().Epoch {
			leader = m
		}
	}
	return leader
}

// replaceDisk has a member go on with its name and nothing else.
func (c *Cluster) replaceDisk(id env.NodeID) {
	n := c.world.Node(id)
	n.Crash(true)
	delete(c.checkpoints, id)
	n.ReplaceDisk()
	n.Start()
}

// ended judges why a member's program has ended by itself.
func (c *Cluster) ended(n *sim.Node, err error) {
	if !env.IsDiskFull(err) && !errors.Is(err, sim.ErrSync) {
		c.world.Fail("n%d ends without a reason: %v", n.ID(), err)
	}
}

// leads notes who leads an epoch.
func (c *Cluster) leads(id env.NodeID, e wal.Epoch) {
	if other, ok := c.leaders[e]; ok {
		c.world.Fail("election safety: n%d and n%d lead in epoch %d", other, id, e)
	}
	c.leaders[e] = id
}

// applied checks what a member has of a durable round, and what comes of it.
func (c *Cluster) applied(id env.NodeID, r *wal.Round, s *state) {
	hash := uint64(r.Epoch)<<32 ^ uint64(r.Kind)<<24 ^ uint64(r.Watermark)*31
	for _, b := range r.Payload {
		hash = (hash ^ uint64(b)) * 0x100000001b3
	}
	if int(r.Number) == len(c.log) {
		c.log, c.states = append(c.log, hash), append(c.states, s.hash)
	}
	if c.log[r.Number] != hash {
		c.world.Fail("n%d has another round %d", id, r.Number)
	}
	if c.states[r.Number] != s.hash {
		c.world.Fail("I7: n%d has other data after round %d", id, r.Number)
	}
}

// final checks the final watermark of an epoch as a member tells it.
func (c *Cluster) final(id env.NodeID, e wal.Epoch, f hlc.Timestamp) {
	if known, ok := c.finals[e]; ok && known != f {
		c.world.Fail("I6: the final watermark of epoch %d is %d, and for n%d %d", e, known, id, f)
	}
	c.finals[e] = f
	if c.announced[e] > f {
		c.world.Fail("I6: the final watermark of epoch %d is %d for n%d, %d was announced", e, f, id, c.announced[e])
	}
}

// announce notes a watermark that a leader announces.
func (c *Cluster) announce(id env.NodeID, e wal.Epoch, w hlc.Timestamp) {
	c.announced[e] = max(c.announced[e], w)
	if f, ok := c.finals[e]; ok && w > f {
		c.world.Fail("I6: n%d announces %d in epoch %d, whose final watermark is %d", id, w, e, f)
	}
}

// release is that the leader of an epoch has told of a transaction.
type release struct {
	txn
	by wal.Epoch
}

// release notes one. It rests on a round that is durable.
func (c *Cluster) release(t txn, by wal.Epoch, rests wal.RoundNumber) {
	if _, again := c.released[t.id]; !again {
		c.released[t.id] = release{t, by}
	}
	c.durable = max(c.durable, rests)
}

// survived checks that a member whose barrier is durable holds what was released up to its
// epoch, and what that has read. A later leader may have released more by now.
func (c *Cluster) survived(id env.NodeID, s *state) {
	for name, t := range c.released {
		if _, ok := s.held[name]; !ok && t.by <= s.epoch {
			c.world.Fail("I1: transaction %d at %d, released in epoch %d, is not there for n%d in epoch %d, which ends epochs at %v", name, t.ts, t.by, id, s.epoch, s.finals)
			return
		}
	}
	for name, t := range s.held {
		if _, ok := s.held[t.read]; t.read != 0 && !ok {
			c.world.Fail("I2: n%d has transaction %d, and not %d, which it has read", id, name, t.read)
			return
		}
	}
}

// Settle demands that within a time, once nothing goes wrong any more, something new is
// released, and all members have it.
func (c *Cluster) Settle(within time.Duration) error {
	before, end := c.Released(), c.world.Now()+within
	if c.world.RunUntil(within, func() bool { return c.Released() > before }) {
		c.stopped = true
		if c.world.RunUntil(end-c.world.Now(), c.agreed) {
			for _, id := range c.ranks() {
				c.survived(id, c.members[id].state)
			}
			return c.world.Failed()
		}
	}
	if err := c.world.Failed(); err != nil {
		return err
	}
	return fmt.Errorf("progress: the members do not agree within %v, %d more were released%s", within, c.Released()-before, c.describe())
}

// ranks returns those who are members according to the leader.
func (c *Cluster) ranks() []env.NodeID {
	s := c.leader().group.Status()
	return s.Members.All()
}

// agreed tells whether all members have all rounds.
func (c *Cluster) agreed() bool {
	l := c.leader()
	if l == nil {
		return false
	}
	last := l.group.Status().Last
	for _, id := range c.ranks() {
		if m := c.members[id]; !m.works() || m.state.number != last || m.group.Status().Commit != last {
			return false
		}
	}
	return true
}

func (c *Cluster) describe() (text string) {
	for _, id := range c.all {
		if m := c.members[id]; m.works() {
			text += fmt.Sprintf("; n%d %+v, has %d", id, m.group.Status(), m.state.number)
		} else {
			text += fmt.Sprintf("; n%d down", id)
		}
	}
	return text
}

package sim

import (
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// Link says how frames get from one node to another.
type Link struct {
	// DelayMin is the shortest delay, DelayMean the mean of what comes on top,
	// which is distributed exponentially.
	DelayMin, DelayMean time.Duration
	BytesPerSecond      float64 // 0 for no limit
	Loss, Double        float64 // chances for each frame
	// Reorder is the chance that a frame is delayed without holding up those
	// behind it.
	Reorder float64
	Blocked bool // nothing gets through
	clogged time.Duration
}

// windowBytes is how much a connection takes before the other side has read it.
const windowBytes = 256 << 10

// dialTimeout is when an attempt to connect through a blocked link fails.
const dialTimeout = 5 * time.Second

// Link returns the link between two nodes, to change it. What is not changed is
// like SetLinks said.
func (w *World) Link(from, to env.NodeID) *Link {
	key := [2]env.NodeID{from, to}
	l := w.links[key]
	if l == nil {
		copied := w.link
		l = &copied
		w.links[key] = l
	}
	return l
}

// SetLinks sets all links to the same.
func (w *World) SetLinks(l Link) {
	w.link = l
	clear(w.links)
}

// Clog makes everything on a link wait for d.
func (w *World) Clog(from, to env.NodeID, d time.Duration) {
	w.Logf("link n%d-n%d is clogged for %v", from, to, d)
	w.Link(from, to).clogged = w.now + d
}

// Block cuts a link, one way.
func (w *World) Block(from, to env.NodeID, blocked bool) {
	if w.Link(from, to).Blocked != blocked {
		w.Logf("link n%d-n%d blocked: %v", from, to, blocked)
		w.Link(from, to).Blocked = blocked
	}
}

// Partition cuts all links between nodes of different groups and heals all
// others. A node that is in no group is alone.
func (w *World) Partition(groups ...[]env.NodeID) {
	group := func(n *Node) int {
		i := slices.IndexFunc(groups, func(g []env.NodeID) bool { return slices.Contains(g, n.id) })
		if i < 0 {
			return -int(n.id)
		}
		return i
	}
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a != b {
				w.Block(a.id, b.id, group(a) != group(b))
			}
		}
	}
}

// Heal ends all faults of links between nodes that are blocked or clogged.
func (w *World) Heal() {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a != b {
				w.Block(a.id, b.id, false)
				w.Link(a.id, b.id).clogged = 0
			}
		}
	}
}

// Reset breaks all connections between two nodes.
func (w *World) Reset(a, b env.NodeID) {
	w.Logf("connections n%d-n%d are reset", a, b)
	n := w.Node(a)
	if n == nil || n.rt == nil {
		return
	}
	for _, c := range slices.Clone(n.net.conns) {
		if c.other != nil && c.other.node().id == b {
			c.fail(errReset)
			c.other.fail(errReset)
		}
	}
}

var (
	errReset   = errors.New("sim: connection reset")
	errRefused = errors.New("sim: connection refused")
	errNoRoute = errors.New("sim: connecting timed out")
	errClosed  = errors.New("sim: the other side has closed")
)

// delay draws when a frame that is sent now arrives.
func (w *World) delay(l *Link) time.Duration {
	d := l.DelayMin + time.Duration(float64(l.DelayMean)*-math.Log(1-w.rng.Float64()))
	return max(d, l.clogged-w.now)
}

// network is the Network of a node from one start to the next crash.
type network struct {
	n      *Node
	host   *host
	accept func(env.Conn) env.Receiver
	conns  []*conn
}

// conn is one end of a connection.
type conn struct {
	net     *network
	r       env.Receiver
	other   *conn
	over    bool          // nothing more is told to r
	silent  bool          // the node is gone without a word: what is sent to it vanishes
	arrival time.Duration // of the last frame that was sent
	free    time.Duration // when the wire is
	unread  int           // bytes that were sent and not received
	stalled bool          // Written waits for the other side to read
	sent    uint64        // frames
	dialled bool
	// Made once, at the first write.
	onFree, onWritten func()
	asked             map[uint64]uint64 // methods of calls, for transcripts
}

func (c *conn) node() *Node { return c.net.n }

func (n *network) Listen(accept func(env.Conn) env.Receiver) { n.accept = accept }

func (n *network) Close() {
	n.accept = nil
	for _, c := range slices.Clone(n.conns) {
		c.Close()
	}
}

// crash ends all connections of a node that dies.
func (n *network) crash(silent bool) {
	for _, c := range slices.Clone(n.conns) {
		if silent {
			c.over, c.silent = true, true
		} else {
			c.Close()
		}
	}
	n.conns = nil
	n.accept = nil
}

// Dial implements env.Network.
func (n *network) Dial(to env.NodeID, r env.Receiver) env.Conn {
	w := n.n.w
	c := &conn{net: n, r: r, dialled: true}
	n.conns = append(n.conns, c)
	peer := w.Node(to)
	link := w.Link(n.n.id, to)
	if peer == nil || link.Blocked || w.Link(to, n.n.id).Blocked || peer.rt != nil && peer.paused > w.now+dialTimeout {
		d := dialTimeout
		if peer == nil {
			d = 0
		}
		w.After(d, func() { c.fail(errNoRoute) })
		return c
	}
	w.After(w.delay(link), func() {
		if c.over {
			return
		}
		if peer.rt == nil || peer.net.accept == nil {
			c.fail(errRefused)
			return
		}
		there := peer.net
		c.other = &conn{net: there, other: c}
		there.conns = append(there.conns, c.other)
		peer.deliver(item{do: func() {
			if c.other.over || there.accept == nil {
				c.other.Close()
				return
			}
			c.other.r = there.accept(c.other)
		}})
		w.After(w.delay(w.Link(to, n.n.id)), func() {
			c.tell(func() { c.r.Connected() })
		})
	})
	return c
}

// tell makes the node hear something of the connection.
func (c *conn) tell(f func()) {
	if c.over || c.net.host.dead {
		return
	}
	c.node().deliver(item{c, f})
}

// fail ends this side of the connection with an error.
func (c *conn) fail(err error) {
	c.tell(func() {
		c.over = true
		c.leave()
		if c.r != nil {
			c.r.Closed(err)
		}
	})
}

func (c *conn) leave() {
	c.net.conns = slices.DeleteFunc(c.net.conns, func(x *conn) bool { return x == c })
}

// Close implements env.Conn.
func (c *conn) Close() {
	if c.over {
		return
	}
	c.over = true
	c.leave()
	if other := c.other; other != nil {
		w := c.node().w
		// Behind what was sent before.
		at := max(c.arrival, w.now+w.delay(w.Link(c.node().id, other.node().id)))
		w.inOrder(at, func() { other.fail(errClosed) })
	}
}

// Write implements env.Conn.
func (c *conn) Write(frames [][]byte) {
	n, w := c.node(), c.node().w
	link := w.Link(n.id, c.other.node().id)
	total := 0
	var whole []byte // a frame may come in pieces, but has one fate
	for _, f := range frames {
		total += len(f)
		c.unread += len(f)
		whole = append(whole, f...)
		if quorum.FrameBytes(whole) <= len(whole) {
			c.send(link, whole)
			whole = nil
		}
	}
	c.free = max(c.free, w.now)
	if link.BytesPerSecond > 0 {
		c.free += time.Duration(float64(total) / link.BytesPerSecond * 1e9)
	}
	if c.onFree == nil {
		c.onFree, c.onWritten = c.wireFree, func() { c.r.Written() }
	}
	w.inOrder(c.free, c.onFree)
}

// wireFree says that what was written is on the wire.
func (c *conn) wireFree() {
	if c.stalled = c.unread > windowBytes; !c.stalled {
		c.tell(c.onWritten)
	}
}

// send sends one frame on its way. The first, which says who dials, is spared
// the fate of the others.
func (c *conn) send(link *Link, f []byte) {
	w := c.node().w
	c.sent++
	spared := c.sent == 1
	check := crc32.ChecksumIEEE(f)
	w.note(noteWrite, uint64(w.now), uint64(c.node().id)<<32|uint64(c.other.node().id), uint64(check))
	lost := link.Blocked || !spared && link.Loss > 0 && w.rng.Float64() < link.Loss
	if w.out != nil {
		fate := ""
		if lost {
			fate = "LOST "
		}
		w.Logf("n%d -> n%d %s%s", c.node().id, c.other.node().id, fate, c.describe(f))
	}
	if lost {
		w.inOrder(w.now, func() { c.read(len(f)) })
		return
	}
	at := max(c.free, w.now) + w.delay(link)
	if spared || link.Reorder == 0 || w.rng.Float64() >= link.Reorder {
		at = max(at, c.arrival)
		c.arrival = at
	}
	w.inOrder(at, func() { c.arrive(f, len(f)) })
	if !spared && link.Double > 0 && w.rng.Float64() < link.Double {
		w.inOrder(max(c.arrival, at+w.delay(link)), func() { c.arrive(f, 0) })
	}
}

// arrive is a frame's arrival at the other side.
func (c *conn) arrive(f []byte, bytes int) {
	w, other := c.node().w, c.other
	if other.net.host.dead && other.node().rt != nil {
		c.fail(errReset) // it has started again and knows of no such connection
	}
	if w.Link(c.node().id, other.node().id).Blocked || other.silent || other.over || other.net.host.dead {
		c.read(bytes)
		return
	}
	w.note(noteReceive, uint64(w.now), uint64(other.node().id), uint64(len(f)))
	if w.out != nil {
		w.Logf("n%d <- n%d %s", other.node().id, c.node().id, c.describe(f))
	}
	other.tell(func() {
		if len(f) > 1 && w.rng.IntN(16) == 0 { // as if it came in two pieces
			cut := 1 + w.rng.IntN(len(f)-1)
			other.r.Received(f[:cut])
			f = f[cut:]
			if other.over {
				return
			}
		}
		other.r.Received(f)
		c.read(bytes)
	})
}

// read tells that the other side has taken bytes.
func (c *conn) read(bytes int) {
	c.unread -= bytes
	if c.stalled && c.unread <= windowBytes {
		c.stalled = false
		c.tell(c.onWritten)
	}
}

package sim

import (
	"fmt"
	"iter"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
)

// Node is a machine in a World: a clock, a processor, a disk, and the program
// that Boot starts.
type Node struct {
	w    *World
	id   env.NodeID
	boot func(*Node)
	// The program, while it runs.
	rt   *quorum.Runtime
	host *host
	net  *network
	// endpoint serves other nodes, if transcripts are told.
	endpoint *quorum.Endpoint
	// Immune nodes are no part of what is tried: Chaos spares them, though not
	// their links.
	Immune bool
	// Exposed, if set, names a file and how many bytes of its beginning may rot: a
	// part in which the program promises to notice damage. Only on nodes that have
	// it bits rot and writes go to the wrong place.
	Exposed func() (name string, bytes int)
	// Faults.
	Disk   Disk
	CPU    time.Duration // that one step of the program takes
	paused time.Duration // until when
	busy   time.Duration // until when
	fs     *faultfs.FS
	disk   time.Duration // until when it is busy
	astray bool          // the next write goes to the wrong place
	jobs   []*job        // that have not ended
	job    *job          // that runs
	atEnd  []func()

	inbox   []item // what has reached the node and waits for its processor
	running bool
	wakeAt  time.Duration
	// The clock: local time is base + (now-since) * rate.
	base, since time.Duration
	rate        float64
	jump        time.Duration // of the wall clock
}

// AddNode adds a machine. boot starts its program, again after each restart: it
// makes Endpoints on n.Network and tasks on n.Runtime.
func (w *World) AddNode(id env.NodeID, boot func(*Node)) *Node {
	n := &Node{w: w, id: id, boot: boot, rate: 1, fs: faultfs.New(w.rng.Uint64()), CPU: time.Microsecond}
	n.Disk = quietDisk()
	w.nodes = append(w.nodes, n)
	return n
}

// Node returns the machine with that name, or nil.
func (w *World) Node(id env.NodeID) *Node {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// Nodes returns all machines.
func (w *World) Nodes() []*Node { return w.nodes }

// ID returns the node's name.
func (n *Node) ID() env.NodeID { return n.id }

// Up tells whether the program runs.
func (n *Node) Up() bool { return n.rt != nil }

// Runtime returns what the program runs on.
func (n *Node) Runtime() *quorum.Runtime { return n.rt }

// Network returns the way to the other nodes.
func (n *Node) Network() env.Network { return n.net }

// FS returns the node's disk. Files are used in jobs only: the simulator panics
// when the event loop would block on one.
func (n *Node) FS() env.FS { return &fileSystem{n: n, host: n.host, fs: n.fs} }

// Files returns the disk itself, to look at it and to damage it.
func (n *Node) Files() *faultfs.FS { return n.fs }

// World returns where the node is.
func (n *Node) World() *World { return n.w }

// Start starts the program.
func (n *Node) Start() {
	if n.rt != nil {
		return
	}
	n.w.Logf("n%d starts", n.id)
	n.w.note(noteStart, uint64(n.id), uint64(n.w.now))
	n.host = newHost(n)
	n.net = &network{n: n, host: n.host}
	n.rt = quorum.NewRuntime(n.id, n.host)
	n.wakeAt = -1
	n.boot(n)
	h := n.host
	n.w.After(0, func() {
		if !h.dead {
			n.run()
		}
	})
}

// Crash ends the program where it is. If power is lost too, so is what was not
// synced, in part. Peers hear that connections are closed, unless power was lost:
// then they hear nothing.
func (n *Node) Crash(powerLoss bool) {
	if n.rt == nil {
		return
	}
	n.w.Logf("n%d crashes, power lost: %v", n.id, powerLoss)
	n.w.note(noteCrash, uint64(n.id), uint64(n.w.now))
	n.net.crash(powerLoss)
	n.stop()
	if powerLoss {
		n.fs = n.fs.Crash(n.w.rng)
	} else {
		n.fs = n.fs.Clone()
	}
}

// ReplaceDisk gives a machine that is down an empty disk.
func (n *Node) ReplaceDisk() {
	n.w.Logf("n%d gets an empty disk", n.id)
	n.w.note(noteReplace, uint64(n.id), uint64(n.w.now))
	n.fs = faultfs.New(n.w.rng.Uint64())
}

// Exit is for the program: it ends itself, as after an error that it cannot
// handle. It goes on until it waits.
func (n *Node) Exit() {
	h := n.host
	n.w.After(0, func() {
		if !h.dead {
			n.Crash(false)
		}
	})
}

func (n *Node) stop() {
	n.host.dead = true
	rt := n.rt
	n.rt = nil
	rt.Kill()
	for _, j := range n.jobs {
		j.stop()
	}
	n.jobs, n.inbox, n.paused, n.busy, n.disk = nil, nil, 0, 0, 0
	for _, f := range n.atEnd {
		f()
	}
	n.atEnd = nil
}

// AtEnd makes f be called when the program has ended, however it does, and nothing of it
// runs any more: what it has taken of the machine that runs the simulation can go.
func (n *Node) AtEnd(f func()) { n.atEnd = append(n.atEnd, f) }

// Pause stops the whole node for d; then it goes on as if nothing was.
func (n *Node) Pause(d time.Duration) {
	n.w.Logf("n%d pauses for %v", n.id, d)
	n.paused = max(n.paused, n.w.now+d)
}

// JumpClock moves the node's wall clock.
func (n *Node) JumpClock(d time.Duration) {
	n.w.Logf("n%d: the clock jumps by %v", n.id, d)
	n.jump += d
}

// SetDrift makes the node's clocks run by a factor.
func (n *Node) SetDrift(rate float64) {
	n.base, n.since, n.rate = n.elapsed(), n.w.now, rate
}

func (n *Node) elapsed() time.Duration {
	return n.base + time.Duration(float64(n.w.now-n.since)*n.rate)
}

// item is something for a node to do; what is about a connection only while that is
// not over.
type item struct {
	about *conn
	do    func()
}

// deliver hands the node something to do.
func (n *Node) deliver(it item) {
	if n.rt == nil {
		return
	}
	n.inbox = append(n.inbox, it)
	if len(n.inbox) == 1 && !n.running {
		n.run()
	}
}

// run lets the node work off its inbox and its tasks, or sees to it that it does
// when it can.
func (n *Node) run() {
	if n.rt == nil {
		return
	}
	if at := max(n.paused, n.busy); at > n.w.now {
		n.wake(at)
		return
	}
	n.running = true
	defer func() { n.running = false }()
	before := n.rt.Stats().Switches
	steps := len(n.inbox)
	// More may come in while these run: they wait for the end of the round.
	h := n.host
	for i := 0; i < len(n.inbox) && !h.dead; i++ {
		if it := n.inbox[i]; it.about == nil || !it.about.over {
			it.do()
		}
		n.inbox[i] = item{}
	}
	if h.dead {
		return
	}
	n.inbox = n.inbox[:0]
	sleep := n.rt.Poll()
	if h.dead {
		return
	}
	steps += int(n.rt.Stats().Switches - before)
	n.w.note(noteRun, uint64(n.id), uint64(n.w.now), uint64(steps))
	n.busy = n.w.now + n.CPU*time.Duration(steps)
	if len(n.inbox) > 0 {
		sleep = 0
	}
	if sleep >= 0 {
		n.wake(max(n.busy, n.w.now+time.Duration(float64(sleep)/n.rate)+1))
	}
}

// wake makes the node run at a time, unless it runs before.
func (n *Node) wake(at time.Duration) {
	if n.wakeAt > n.w.now && n.wakeAt <= at {
		return
	}
	n.wakeAt = at
	n.w.After(at-n.w.now, n.host.wake)
}

// host is a node's Host from one start to the next crash.
type host struct {
	n    *Node
	dead bool
	wake func() // runs the node, if it is to be woken now
}

var _ env.Host = (*host)(nil)

func newHost(n *Node) *host {
	h := &host{n: n}
	h.wake = func() {
		if !h.dead && n.wakeAt == n.w.now {
			n.wakeAt = -1
			n.run()
		}
	}
	return h
}

func (h *host) Elapsed() time.Duration { return h.n.elapsed() }
func (h *host) Uint64() uint64         { return h.n.w.rng.Uint64() }
func (h *host) Rare(name string) bool  { return h.n.w.Rare(name) }

func (h *host) Now() time.Time {
	return time.Unix(1_800_000_000, 0).Add(h.n.elapsed() + h.n.jump)
}

func (h *host) Pick(n int) int {
	if n == 1 {
		return 0
	}
	return h.n.w.rng.IntN(n)
}

// Here implements quorum.Host.
func (h *host) Here(f func()) { h.Post(f) }

func (h *host) Post(f func()) {
	if !h.dead {
		h.n.deliver(item{do: f})
	}
}

// Go implements env.Host: the job runs on a coroutine that stops at each operation
// of the disk until that is over.
func (h *host) Go(run, done func()) {
	j := &job{n: h.n, work: run, done: done}
	j.onStep = j.step
	h.n.jobs = append(h.n.jobs, j)
	h.n.w.After(0, j.onStep)
}

// job is work that may block.
type job struct {
	n          *Node
	work, done func()
	on         *jobCoroutine // nil until it begins
	onStep     func()        // the method step, bound once
	ended      bool          // work has returned
	stopped    bool
}

// stopped is what a job panics with when its node has crashed.
type stopped struct{}

// jobCoroutine is what jobs run on, one after the other. What it yields is when the
// operation is over for which its job waits.
type jobCoroutine struct {
	job   *job
	next  func() (time.Duration, bool)
	end   func()
	yield func(time.Duration) bool
}

func newJobCoroutine() *jobCoroutine {
	c := &jobCoroutine{}
	c.next, c.end = iter.Pull(func(yield func(time.Duration) bool) {
		c.yield = yield
		for {
			c.job.run()
			if !yield(0) {
				return
			}
		}
	})
	return c
}

// run does the work of the job.
func (j *job) run() {
	defer func() {
		if p := recover(); p != nil && p != any(stopped{}) {
			panic(fmt.Sprintf("in a job of n%d: %v", j.n.id, p))
		}
	}()
	j.work()
	j.ended = true
}

// step runs the job up to its next disk operation.
func (j *job) step() {
	if j.stopped {
		return
	}
	n := j.n
	if j.on == nil {
		j.on = n.w.takeJobCoroutine()
		j.on.job = j
	}
	n.job = j
	at, _ := j.on.next()
	n.job = nil
	if !j.stopped && !j.ended {
		n.w.inOrder(at, j.onStep)
		return
	}
	n.w.idleJobs = append(n.w.idleJobs, j.on)
	if j.stopped {
		return // its operation crashed the node
	}
	for i, x := range n.jobs {
		if x == j {
			n.jobs = append(n.jobs[:i], n.jobs[i+1:]...)
			break
		}
	}
	n.deliver(item{do: j.done})
}

// stop unwinds the job.
func (j *job) stop() {
	j.stopped = true
	if j.on != nil && j.n.job != j {
		j.on.end()
	}
}

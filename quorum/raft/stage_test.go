package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
)

// stage is a cluster that a transcript moves by hand: what nodes say to each
// other takes no time, and time passes only when the transcript lets it. There is
// no chance in it, and nothing happens that the transcript does not ask for or
// wait for.
type stage struct {
	now    time.Duration
	actors []*actor
	rules  []rule
	held   []heldMessage
	shown  map[string]bool // kinds of messages
	batch  int             // entries in a request at most; 0 for the default
	out    strings.Builder
}

// actor is one node on a stage.
type actor struct {
	s       *stage
	id      quorum.NodeID
	voters  []quorum.NodeID // that it starts with
	files   *faultfs.FS
	machine words

	// While it runs:
	host   *stageHost
	rt     *quorum.Runtime
	node   *Node
	inbox  []func()
	sleep  time.Duration // that its Runtime wants
	accept func(env.Conn) env.Receiver
	conns  []*stageConn

	diskHolds bool
	jobs      []func() // that wait for the disk
}

// words is a state machine: the commands that it was given.
type words []string

func (w *words) Apply(_ uint64, command []byte) []byte {
	*w = append(*w, string(command))
	return nil
}

func (w *words) Snapshot() []byte { return []byte(strings.Join(*w, " ")) }

func (w *words) Restore(data []byte) error {
	*w = strings.Fields(string(data))
	return nil
}

// stageHost is an actor's Host from a start to the next crash.
type stageHost struct {
	a    *actor
	dead bool
}

func (h *stageHost) Elapsed() time.Duration { return h.a.s.now }
func (h *stageHost) Now() time.Time         { return time.Unix(1e9, 0).Add(h.a.s.now) }
func (h *stageHost) Uint64() uint64         { return 1 << 40 }
func (h *stageHost) Pick(int) int           { return 0 }

// Here implements quorum.Host.
func (h *stageHost) Here(f func()) { h.Post(f) }

func (h *stageHost) Post(f func()) {
	if !h.dead {
		h.a.inbox = append(h.a.inbox, f)
	}
}

func (h *stageHost) Go(job, done func()) {
	run := func() { job(); h.Post(done) }
	if h.a.diskHolds {
		h.a.jobs = append(h.a.jobs, run)
		return
	}
	run()
}

// stageConn is one end of a connection. An actor is its own network.
type stageConn struct {
	a     *actor
	host  *stageHost
	r     env.Receiver
	other *stageConn
	over  bool
}

var (
	errNobody = errors.New("nobody listens")
	errGone   = errors.New("closed by the other side")
)

func (a *actor) Listen(accept func(env.Conn) env.Receiver) { a.accept = accept }
func (a *actor) Close()                                    {}

func (a *actor) Dial(to env.NodeID, r env.Receiver) env.Conn {
	c := &stageConn{a: a, host: a.host, r: r}
	a.conns = append(a.conns, c)
	peer := a.s.actor(to)
	if peer == nil || peer.rt == nil || peer.accept == nil {
		c.closed(errNobody)
		return c
	}
	c.other = &stageConn{a: peer, host: peer.host, other: c}
	peer.conns = append(peer.conns, c.other)
	peer.host.Post(func() {
		c.other.r = peer.accept(c.other)
		c.tell(func() { c.r.Connected() })
	})
	return c
}

// tell makes the actor hear something of the connection.
func (c *stageConn) tell(f func()) {
	c.host.Post(func() {
		if !c.over {
			f()
		}
	})
}

func (c *stageConn) closed(err error) {
	c.tell(func() {
		c.over = true
		if c.r != nil {
			c.r.Closed(err)
		}
	})
}

func (c *stageConn) Write(frames [][]byte) {
	data := bytes.Join(frames, nil)
	c.other.tell(func() { c.other.r.Received(data) })
	c.tell(func() { c.r.Written() })
}

func (c *stageConn) Close() {
	if c.over {
		return
	}
	c.over = true
	if c.other != nil {
		c.other.closed(errGone)
	}
}

func (s *stage) actor(id quorum.NodeID) *actor {
	if i := slices.IndexFunc(s.actors, func(a *actor) bool { return a.id == id }); i >= 0 {
		return s.actors[i]
	}
	return nil
}

// settle lets everything happen that does not take time.
func (s *stage) settle() {
	for busy := true; busy; {
		busy = false
		for _, a := range s.actors {
			if a.rt == nil {
				continue
			}
			inbox := a.inbox
			a.inbox = nil
			for _, f := range inbox {
				f()
			}
			a.sleep = a.rt.Poll()
			busy = busy || len(inbox) > 0 || len(a.inbox) > 0 || a.sleep == 0
		}
	}
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) {
	for end := s.now + d; ; {
		s.settle()
		if s.now == end {
			return
		}
		next := end
		for _, a := range s.actors {
			if a.rt != nil && a.sleep > 0 {
				next = min(next, s.now+a.sleep)
			}
		}
		s.now = next
	}
}

// printf adds a line to the transcript.
func (s *stage) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// start starts an actor, again after a crash.
func (a *actor) start() {
	a.host = &stageHost{a: a}
	a.rt = quorum.NewRuntime(a.id, a.host)
	a.machine = nil
	rt := a.rt
	rt.Go("start", func(ctx context.Context) error {
		e := quorum.NewEndpoint(rt, a, quorum.Options{}, nil)
		node, err := Start(ctx, e, a.files, &a.machine, Options{
			Dir: filepath.FromSlash("/raft"), Voters: a.voters, ElectionTimeout: time.Second, SnapshotEntries: 1 << 20, BatchEntriesMax: a.s.batch,
			Logf: func(format string, args ...any) { a.s.printf("n%d: %s", a.id, fmt.Sprintf(format, args...)) },
		})
		if err != nil {
			a.s.printf("n%d: does not start: %v", a.id, err)
			return err
		}
		a.node = node
		intercept(a, e)
		e.Listen()
		rt.Go("member", func(ctx context.Context) error {
			err := node.Run(ctx)
			if ctx.Err() == nil {
				a.s.printf("n%d: stops: %v", a.id, err)
			}
			return err
		})
		return nil
	})
}

// crash ends an actor where it is. What its disk has not done yet is lost.
func (a *actor) crash() {
	for _, c := range a.conns {
		c.Close()
	}
	a.host.dead = true
	a.rt.Kill()
	a.files = a.files.Clone()
	a.rt, a.node, a.inbox, a.accept, a.conns, a.jobs, a.diskHolds = nil, nil, nil, nil, nil, nil, false
}

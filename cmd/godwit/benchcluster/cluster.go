package benchcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/shape"
)

const (
	// answerMax is how long a member may take for what is quick.
	answerMax = 30 * time.Second
	// eventsMax is how many reports wait for the parent, before the members do.
	eventsMax = 4096
)

// Config is a cluster and what it does.
type Config struct {
	// Command starts a member's process, which calls Serve.
	Command func(ctx context.Context) *exec.Cmd
	// Clients, if not nil, starts a process that calls ServeClients: it draws the
	// transactions, and sends them to whoever leads. Without it the leader's process does
	// all of that itself.
	Clients func(ctx context.Context) *exec.Cmd
	Dir     string
	// Replicas is how many there are; 0 is an engine alone.
	Replicas        int
	Protocol        Protocol
	Workload        Workload
	Threads         int
	MemoryMiB       int64
	Durability      string
	ElectionTimeout time.Duration
	// Links, if not nil, say how far the members are apart.
	Links *Links
	// Fault, if not nil, is what one follower has.
	Fault *Fault
	// Profile is where processor profiles go: this and the member's number. "" is none.
	Profile string
	Run     RunOrder
	// Show, if set, is told lines of progress.
	Show func(format string, args ...any)
}

// one is a member, over all its lives.
type one struct {
	setup   Setup
	process *process
	// samples are those of the process that runs.
	samples []Sample
	checked *CheckReport
	stopped bool
	counts  bench.Counts // of clients that have stopped
	away    bool         // it was killed or stopped
}

func (o *one) last() Sample {
	if n := len(o.samples); n > 0 {
		return o.samples[n-1]
	}
	return Sample{}
}

// cluster is the members, seen by the parent.
type cluster struct {
	config  Config
	members map[env.NodeID]*one
	clients *one // nil if the leader runs the workload
	events  chan event
	shaper  *shape.Shaper // nil without Links
	shown   time.Time
	// What was reported.
	loaded *LoadReport
	result *event
	// watch, if set, is told everything.
	watch func(*event)
}

// start starts the processes and makes them members.
func start(ctx context.Context, c Config) (_ *cluster, err error) {
	c.Run.Remote = c.Clients != nil
	all := &cluster{config: c, members: map[env.NodeID]*one{}, events: make(chan event, eventsMax), shown: time.Now()}
	defer func() {
		if err != nil {
			all.end()
		}
	}()
	if c.Links != nil {
		all.shaper = shape.New()
	}
	addrs := map[env.NodeID]string{}
	for id := env.NodeID(1); id <= env.NodeID(max(1, c.Replicas)); id++ {
		all.members[id] = &one{}
		if addrs[id], err = all.spawn(ctx, id, "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	for id, m := range all.members {
		m.setup = Setup{
			ID: id, Cluster: uint64(time.Now().UnixNano()), Dir: filepath.Join(c.Dir, fmt.Sprint("member", id)), Alone: c.Replicas == 0, Protocol: c.Protocol,
			Workload: c.Workload, Threads: c.Threads, MemoryMiB: c.MemoryMiB, Durability: c.Durability, ElectionTimeout: c.ElectionTimeout,
		}
		if m.setup.Addrs, err = all.addresses(id, addrs); err != nil {
			return nil, err
		}
		if c.Profile != "" {
			m.setup.Profile = fmt.Sprintf("%s.%d", c.Profile, id)
		}
	}
	// All of one cluster.
	for _, m := range all.members {
		m.setup.Cluster = all.members[1].setup.Cluster
		if err := all.begin(ctx, m); err != nil {
			return nil, err
		}
	}
	if c.Clients != nil {
		return all, all.connect(ctx, addrs)
	}
	return all, nil
}

// connect starts the clients, who find the members at their own addresses.
func (c *cluster) connect(ctx context.Context, addrs map[env.NodeID]string) (err error) {
	first := c.members[1].setup
	c.clients = &one{setup: Setup{ID: clientsNode, Addrs: addrs, Cluster: first.Cluster, Workload: first.Workload, Threads: first.Threads}}
	if c.config.Profile != "" {
		c.clients.setup.Profile = c.config.Profile + ".clients"
	}
	if c.clients.process, err = spawn(clientsNode, c.config.Clients(ctx), c.events); err != nil {
		return err
	}
	return c.begin(ctx, c.clients)
}

// everybody returns the members and the clients, if they are a process.
func (c *cluster) everybody() []*one {
	var all []*one
	for _, id := range c.ids() {
		all = append(all, c.members[id])
	}
	if c.clients != nil {
		all = append(all, c.clients)
	}
	return all
}

// spawn starts a member's process and returns where it is found.
func (c *cluster) spawn(ctx context.Context, id env.NodeID, at string) (addr string, err error) {
	m := c.members[id]
	if m.process, err = spawn(id, c.config.Command(ctx), c.events); err != nil {
		return "", err
	}
	m.samples = nil
	if err := m.process.order(Order{Listen: at}); err != nil {
		return "", err
	}
	err = c.await(ctx, "to listen", answerMax, func(e *event) bool {
		if e.from == m.process && e.Addr != "" {
			addr = e.Addr
		}
		return addr != ""
	})
	return addr, err
}

// begin makes a process a member.
func (c *cluster) begin(ctx context.Context, m *one) error {
	if err := m.process.order(Order{Start: &m.setup}); err != nil {
		return err
	}
	return c.await(ctx, "to start", answerMax, func(e *event) bool { return e.from == m.process && e.Started })
}

// restart starts a member whose process has ended anew, with the files that it has left.
func (c *cluster) restart(ctx context.Context, id env.NodeID) error {
	m := c.members[id]
	old := m.process
	if err := c.await(ctx, "to end", answerMax, func(*event) bool { return old.over }); err != nil {
		return err
	}
	_ = old.Wait() // which says only that it was killed
	if _, err := c.spawn(ctx, id, m.setup.Addrs[id]); err != nil {
		return err
	}
	if err := c.begin(ctx, m); err != nil {
		return err
	}
	return m.process.order(Order{Run: &c.config.Run})
}

// order tells everybody something.
func (c *cluster) order(o Order) error {
	for _, m := range c.everybody() {
		if err := m.process.order(o); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) ids() []env.NodeID { return slices.Sorted(maps.Keys(c.members)) }

// leader returns the member that says that it leads, in the highest epoch if several do.
func (c *cluster) leader() *one {
	var best *one
	for _, m := range c.members {
		if s := m.last(); s.Leads && !m.away && (best == nil || s.Epoch > best.last().Epoch) {
			best = m
		}
	}
	return best
}

// await takes reports until one is what is awaited. A nil e is a moment at which nothing
// was reported.
func (c *cluster) await(ctx context.Context, what string, limit time.Duration, enough func(e *event) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v for members %s", limit, what))
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return c.explain(context.Cause(ctx))
		case e := <-c.events:
			if err := c.note(&e); err != nil {
				return err
			}
			if enough(&e) {
				return nil
			}
		}
	}
}

// pass takes reports for a time.
func (c *cluster) pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return nil
		case e := <-c.events:
			if err := c.note(&e); err != nil {
				return err
			}
		}
	}
}

// note takes a report down.
func (c *cluster) note(e *event) error {
	m := c.members[e.from.id]
	if e.from.id == clientsNode {
		m = c.clients
	}
	e.from.over = e.from.over || e.ended != nil
	if m.process != e.from || e.from.ended {
		return nil // of an earlier life
	}
	switch {
	case e.ended != nil:
		e.from.ended = true
		return fmt.Errorf("%s has ended: %w\n%s", e.from, e.ended, e.from.Said())
	case e.Err != "":
		return fmt.Errorf("%s: %s\n%s", e.from, e.Err, e.from.Said())
	case e.Sample != nil:
		m.samples = append(m.samples, *e.Sample)
	case e.Loaded != nil:
		c.loaded = e.Loaded
	case e.Result != nil:
		c.result = e
	case e.Checked != nil:
		m.checked = e.Checked
	case e.Stopped:
		m.stopped, m.counts = true, e.Counts
	}
	if c.watch != nil {
		c.watch(e)
	}
	c.show()
	return nil
}

// explain adds what members have said last to an error.
func (c *cluster) explain(err error) error {
	for _, m := range c.everybody() {
		s := m.last()
		err = errors.Join(err, fmt.Errorf("%s: leads %t, epoch %d, durable round %d, applied %d, executed %d, released %d\n%s",
			m.process, s.Leads, s.Epoch, s.Commit, s.Applied, s.Executed, s.Released, m.process.Said()))
	}
	return err
}

// end ends all processes.
func (c *cluster) end() {
	for _, m := range c.everybody() {
		if m.process == nil {
			continue
		}
		m.process.kill()
	}
	for _, m := range c.everybody() {
		if m.process != nil {
			m.process.join(c.events)
		}
	}
	c.unlink()
}

// quit has all processes end by themselves.
func (c *cluster) quit(ctx context.Context) error {
	defer c.unlink()
	for _, m := range c.everybody() {
		if err := m.process.order(Order{Quit: true}); err != nil {
			return err
		}
		m.process.ended = true // what it reports from here on does not count
	}
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	var errs []error
	for _, m := range c.everybody() {
		for running := true; running; {
			select {
			case <-c.events:
			case <-m.process.Done():
				running = false
			case <-ctx.Done():
				m.process.Kill()
				m.process.join(c.events)
				errs = append(errs, fmt.Errorf("%s does not end", m.process))
				running = false
			}
		}
		if err := m.process.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w\n%s", m.process, err, m.process.Said()))
		}
	}
	return errors.Join(errs...)
}

package realslow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// members is how many a cluster has.
const members = 3

const (
	// readyTimeout is how long a cluster may take to answer at all.
	readyTimeout    = 30 * time.Second
	electionTimeout = 500 * time.Millisecond
)

// Trial says how a protocol is measured.
type Trial struct {
	Protocol Protocol
	// Command returns the command of a member's process, which calls Serve on its
	// standard input and output.
	Command func(ctx context.Context) *exec.Cmd
	Dir     string // the members' folders are made in it
	// Member is how slow each member is when all is well.
	Member Slowness
	// Network are the bounds of the members' endpoints.
	Network quorum.Options
	// SnapshotEntries is how long a member's log gets. The default is so many that
	// a measurement of some seconds has no snapshot in it, which would be in one
	// half of a pair and not in the other.
	SnapshotEntries int
	// Clients is how many requests are made at a time, without pauses. With Rate
	// there are so many requests a second instead.
	Clients int
	Rate    float64
	// WarmUp is how long the cluster runs before it is measured.
	WarmUp time.Duration
	// Window is how long it is measured without a fault, and then with one.
	Window time.Duration
	// Ballast makes one more process use as much of a processor, while a member has
	// a fault, as that member has used before: what a slow member leaves free does
	// not make the others faster, as it would not on machines of their own.
	Ballast bool
	// Victim is the member with the fault: the leaders come first.
	Victim int
}

// Pair is what clients got without a fault, and then with one.
type Pair struct {
	Healthy, Faulty Part
}

// Part is one half of a Pair.
type Part struct {
	sim.Speed
	Failed int // requests
	// Processors is how much the measurement has used of the machine's
	// processors, and Leader how much of one the first leader has used.
	Processors, Leader float64
	used               map[env.NodeID]float64 // of a processor
}

func (p Part) String() string {
	return fmt.Sprintf("%v, %.0f %% of the machine, leader %.2f, %d failed", p.Speed, 100*p.Processors, p.Leader, p.Failed)
}

// Fault makes a member slow.
type Fault struct {
	Name    string
	inflict func(p *process, healthy Slowness) error
}

// slower is what a slow processor has of a healthy one's share.
const slower = 0.05

// NoFault tells how much of a difference is none.
func NoFault() Fault { return Fault{Name: "none"} }

// Faults returns the ways in which a member is slow, the same as in simulation.
func Faults() []Fault {
	slow := func(name string, change func(*Slowness)) Fault {
		return Fault{name, func(p *process, s Slowness) error {
			change(&s)
			_, err := p.ask(order{Slow: &s})
			return err
		}}
	}
	return []Fault{
		slow("slow CPU", func(s *Slowness) {
			if s.Share == 0 {
				s.Share = 1
			}
			s.Share *= slower
		}),
		slow("slow disk", func(s *Slowness) { s.Sync += 100 * time.Millisecond }),
		slow("slow link", func(s *Slowness) { s.Link += 50 * time.Millisecond }),
		{"paused", func(p *process, _ Slowness) error { return p.pause() }},
		{"stopped", func(p *process, _ Slowness) error { p.kill(); return nil }},
	}
}

// cluster is what a trial runs on.
type cluster struct {
	trial     Trial
	processes map[env.NodeID]*process
	ballast   *process
	runtime   *quorum.Runtime // of the clients
	clients   *clients
	stop      func() // of the clients
}

// Run measures a cluster of three members that are made for it, one of which
// gets a fault.
func (t Trial) Run(ctx context.Context, f Fault) (Pair, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of the processes that are left, if any
	c, err := t.start(ctx)
	if err != nil {
		return Pair{}, err
	}
	defer c.end()
	if _, err := c.part(ctx, t.WarmUp); err != nil {
		return Pair{}, err
	}
	var p Pair
	if t.Ballast {
		if c.ballast, err = spawn(0, t.Command(ctx)); err != nil {
			return Pair{}, err
		}
	}
	if p.Healthy, err = c.part(ctx, t.Window); err != nil {
		return Pair{}, err
	}
	victim, err := c.victim(ctx)
	if err == nil && t.Ballast && f.inflict != nil {
		_, err = c.ballast.ask(order{Burn: p.Healthy.used[victim.id]})
	}
	if err == nil && f.inflict != nil {
		err = f.inflict(victim, t.Member)
	}
	if err != nil {
		return Pair{}, fmt.Errorf("realslow: %s: %w", f.Name, err)
	}
	p.Faulty, err = c.part(ctx, t.Window)
	return p, err
}

// start starts a cluster and its clients, and waits until it answers.
func (t Trial) start(ctx context.Context) (c *cluster, err error) {
	c = &cluster{trial: t, processes: map[env.NodeID]*process{}}
	defer func() {
		if err != nil {
			c.end()
		}
	}()
	addrs := map[env.NodeID]string{}
	var ids []env.NodeID
	for id := env.NodeID(1); id <= members; id++ {
		p, err := spawn(id, t.Command(ctx))
		if err != nil {
			return nil, err
		}
		c.processes[id], addrs[id] = p, p.addr
		ids = append(ids, id)
	}
	for id, p := range c.processes {
		s := setup{Protocol: t.Protocol.Name, ID: id, Addrs: addrs, Network: t.Network, Slowness: t.Member,
			Cluster: Cluster{Dir: filepath.Join(t.Dir, fmt.Sprint(id)), Members: ids, ElectionTimeout: electionTimeout,
				SnapshotEntries: cmp.Or(t.SnapshotEntries, 1<<20)}}
		if _, err := p.ask(order{Start: &s}); err != nil {
			return nil, err
		}
	}
	var stop func()
	c.runtime, stop = quorum.Start(clientNode)
	tcp, err := quorum.ListenTCP(c.runtime, addrs)
	if err != nil {
		stop()
		return nil, err
	}
	c.stop = func() {
		c.runtime.Post(c.clients.endpoint.Close)
		stop()
		tcp.Wait()
	}
	c.clients = &clients{endpoint: quorum.NewEndpoint(c.runtime, tcp, quorum.Options{}, nil),
		members: ids, leaders: slices.Clone(ids[:t.Protocol.Leaders])}
	return c, c.runtime.Run(ctx, "ready", c.ready)
}

// ready waits for the first answer and lets the clients go.
func (c *cluster) ready(ctx context.Context) error {
	host := c.runtime.Host()
	short, cancel := quorum.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for c.clients.succeeded == 0 {
		c.clients.ask(short, 1, host.Elapsed())
		if short.Err() != nil {
			return fmt.Errorf("realslow: the cluster does not answer: %w", short.Err())
		}
	}
	if c.trial.Rate > 0 {
		c.clients.open(c.runtime, c.trial.Rate)
	} else {
		c.clients.closed(c.runtime, c.trial.Clients)
	}
	return nil
}

// end ends all.
func (c *cluster) end() {
	if c.stop != nil {
		c.stop()
	}
	for _, p := range c.processes {
		p.kill()
	}
	if c.ballast != nil {
		c.ballast.kill()
	}
}

// victim returns the member that is to have the fault.
func (c *cluster) victim(ctx context.Context) (*process, error) {
	var order []env.NodeID
	err := c.runtime.Run(ctx, "victim", func(context.Context) error {
		order = slices.Clone(c.clients.leaders)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range c.clients.members {
		if !slices.Contains(order, id) {
			order = append(order, id)
		}
	}
	if c.trial.Victim >= len(order) {
		return nil, errors.New("no such member")
	}
	return c.processes[order[c.trial.Victim]], nil
}

// part measures for a time.
func (c *cluster) part(ctx context.Context, d time.Duration) (Part, error) {
	var part Part
	before, err := c.used()
	if err != nil {
		return part, err
	}
	var leader env.NodeID
	err = c.runtime.Run(ctx, "measure", func(ctx context.Context) error {
		leader = c.clients.leaders[0]
		failed := c.clients.failed
		var err error
		part.Speed, err = c.clients.watch(ctx, d)
		part.Failed = c.clients.failed - failed
		return err
	})
	if err != nil {
		return part, err
	}
	after, err := c.used()
	part.used = map[env.NodeID]float64{}
	for id, a := range after {
		b := before[id]
		share := float64(a.used-b.used) / float64(a.at.Sub(b.at))
		part.used[id] = share
		part.Processors += share / float64(runtime.NumCPU())
		if id == leader {
			part.Leader = share
		}
	}
	return part, err
}

// usage is the processor time that a process has used up to a moment.
type usage struct {
	at   time.Time
	used time.Duration
}

// used returns what each process that runs has used.
func (c *cluster) used() (map[env.NodeID]usage, error) {
	all := map[env.NodeID]usage{clientNode: {time.Now(), processorTime()}}
	for id, p := range c.processes {
		if p.paused || p.ended {
			continue
		}
		r, err := p.ask(order{})
		if err != nil {
			return nil, err
		}
		all[id] = usage{time.Now(), r.Processor}
	}
	return all, nil
}

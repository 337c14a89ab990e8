package realslow

import (
	"cmp"
	"context"
	"fmt"
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

// cluster is what a trial runs on.
type cluster struct {
	trial      Trial
	setups     map[env.NodeID]setup
	processes  map[env.NodeID]*process
	victimized env.NodeID // the member that has a fault, which may not answer
	ballast    *process
	runtime    *quorum.Runtime // of the clients
	clients    *clients
	stop       func() // of the clients
}

// start starts a cluster and its clients, and waits until it answers.
func (t Trial) start(ctx context.Context) (c *cluster, err error) {
	c = &cluster{trial: t, setups: map[env.NodeID]setup{}, processes: map[env.NodeID]*process{}}
	defer func() {
		if err != nil {
			c.end()
		}
	}()
	addrs := map[env.NodeID]string{}
	var ids []env.NodeID
	for id := env.NodeID(1); id <= members; id++ {
		r, err := c.spawn(ctx, id, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		addrs[id] = r.Addr
		ids = append(ids, id)
	}
	for _, id := range ids {
		s := setup{Protocol: t.Protocol.Name, ID: id, Addrs: addrs, Network: t.Network, Slowness: t.Member,
			Cluster: Cluster{Dir: filepath.Join(t.Dir, fmt.Sprint(id)), Members: ids, ElectionTimeout: electionTimeout,
				SnapshotEntries: cmp.Or(t.SnapshotEntries, 1<<20)}}
		c.setups[id] = s
		if _, err := c.processes[id].ask(order{Start: &s}); err != nil {
			return nil, err
		}
	}
	if t.Ballast {
		if c.ballast, err = spawn(0, t.Command(ctx)); err != nil {
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

// spawn starts the process of a member, which is to be found at an address.
func (c *cluster) spawn(ctx context.Context, id env.NodeID, addr string) (report, error) {
	p, err := spawn(id, c.trial.Command(ctx))
	if err != nil {
		return report{}, err
	}
	c.processes[id] = p
	return p.ask(order{Listen: addr})
}

// restart starts a member that was killed, with the files that it has left.
func (c *cluster) restart(ctx context.Context, id env.NodeID) error {
	s := c.setups[id]
	if _, err := c.spawn(ctx, id, s.Addrs[id]); err != nil {
		return err
	}
	_, err := c.processes[id].ask(order{Start: &s})
	return err
}

// burn makes the ballast, if there is one, use a share of a processor.
func (c *cluster) burn(share float64) error {
	if c.ballast == nil {
		return nil
	}
	_, err := c.ballast.ask(order{Burn: &share})
	return err
}

// yield makes a member leave the processors to the others, if there is a ballast in
// its place, or ends that.
func (c *cluster) yield(id env.NodeID, on bool) error {
	if c.ballast == nil {
		return nil
	}
	if err := yield(c.processes[id].cmd.Process, on); err != nil {
		return fmt.Errorf("realslow: a member cannot leave the processors to others, which a ballast takes: %w", err)
	}
	return nil
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

// wait lets a time pass.
func (c *cluster) wait(ctx context.Context, d time.Duration) error {
	return c.runtime.Run(ctx, "wait", func(ctx context.Context) error { return quorum.Sleep(ctx, d) })
}

// succeeded returns how many requests have been carried out.
func (c *cluster) succeeded(ctx context.Context) (n int, err error) {
	err = c.runtime.Run(ctx, "look", func(context.Context) error { n = c.clients.succeeded; return nil })
	return n, err
}

// window is what clients got in a time, and what processes did meanwhile.
type window struct {
	latencies []time.Duration
	took      time.Duration
	failed    int
	used      map[env.NodeID]float64 // of a processor, by process
	leader    env.NodeID
}

// speed returns the clients' speed in some windows together.
func speed(windows ...window) sim.Speed {
	var all window
	for _, w := range windows {
		all.latencies = append(all.latencies, w.latencies...)
		all.took += w.took
	}
	return sim.NewSpeed(all.latencies, all.took)
}

// part returns what some windows are together.
func part(windows ...window) Part {
	p := Part{Speed: speed(windows...)}
	for _, w := range windows {
		p.Failed += w.failed
		for id, share := range w.used {
			p.Processors += share / float64(runtime.NumCPU()*len(windows))
			if id == w.leader {
				p.Leader += share / float64(len(windows))
			}
		}
	}
	return p
}

// window measures for a time.
func (c *cluster) window(ctx context.Context, d time.Duration) (w window, err error) {
	before, err := c.used()
	if err != nil {
		return w, err
	}
	err = c.runtime.Run(ctx, "measure", func(ctx context.Context) error {
		w.leader = c.clients.leaders[0]
		var err error
		w.latencies, w.took, w.failed, err = c.clients.window(ctx, d)
		return err
	})
	if err != nil {
		return w, err
	}
	after, err := c.used()
	w.used = map[env.NodeID]float64{}
	for id, a := range after {
		b := before[id]
		w.used[id] = float64(a.used-b.used) / float64(a.at.Sub(b.at))
	}
	return w, err
}

// usage is the processor time that a process has used up to a moment.
type usage struct {
	at   time.Time
	used time.Duration
}

// used returns what each process has used that can tell.
func (c *cluster) used() (map[env.NodeID]usage, error) {
	all := map[env.NodeID]usage{clientNode: {time.Now(), processorTime()}}
	for id, p := range c.processes {
		if id == c.victimized {
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
